/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The driver's C: what it does with packets by way of inline functions and bit fields, where each
 * step from Rust would be a call. It is logic, not wrappers (those are in ../helpers), and it is
 * under the same tests as the rest.
 *
 * Unless it says otherwise, all of it is called with softirqs disabled, in an RCU read-side
 * critical section, and does not sleep. Indices and marks are in host byte order, SPIs in network
 * byte order.
 */
#ifndef _DATAPATH_H
#define _DATAPATH_H

#include <linux/netdevice.h>
#include <linux/rhashtable-types.h>
#include <linux/skbuff.h>
#include <net/xfrm.h>

/* tunnel.c */
int datapath_tunnel_xmit(struct net_device *dev, struct net *net, struct sk_buff *skb,
			 struct dst_entry *dst);
void datapath_tunnel_rcv(struct net_device *dev, const struct net *net, struct sk_buff *skb,
			 struct dst_entry *metadata);

/* input.c */
int datapath_xfrm4_input(struct sk_buff *skb, int nexthdr, __be32 spi, int encap_type);
int datapath_xfrm6_input(struct sk_buff *skb, int nexthdr, __be32 spi, int encap_type);
#if IS_REACHABLE(CONFIG_INET_XFRM_TUNNEL)
int datapath_xfrm4_rcv_tunnel(struct sk_buff *skb);
#endif
#if IS_REACHABLE(CONFIG_INET6_XFRM_TUNNEL)
int datapath_xfrm6_rcv_tunnel(struct sk_buff *skb);
#endif
struct xfrm_state *datapath_next_state(struct sk_buff *skb, int nexthdr, __be32 spi,
				       unsigned short family);
struct xfrm_state *datapath_next_tunnel_state(struct sk_buff *skb, struct net *net,
					      unsigned short family);
bool datapath_policy_try_in(struct net *net, struct sk_buff *skb, unsigned short family);
bool datapath_policy_try_any(struct net *net, struct sk_buff *skb, unsigned short family);
bool datapath_has_tc_ingress(const struct net_device *dev);
bool datapath_gro_takes_esp(void);

/* error.c */
void datapath_ipv4_update_pmtu(struct sk_buff *skb, struct net *net, u32 mtu, int oif, u8 protocol);
void datapath_dst_update_pmtu(struct dst_entry *dst, struct sk_buff *skb, u32 mark, u32 mtu);
void datapath_dst_redirect(struct dst_entry *dst, struct sk_buff *skb, u32 mark);
void datapath_ip6_redirect(struct sk_buff *skb, struct net *net, u32 mark);

/* origin.c */
int datapath_skb_bound_ifindex(const struct sk_buff *skb, const struct net *net);
bool datapath_skb_has_nat(const struct sk_buff *skb);
bool datapath_skb_is_from_here(const struct sk_buff *skb, const struct net_device *dev);
int datapath_skb_route_vrf(const struct sk_buff *skb, const struct net_device *dev);

/* queue.c */
bool datapath_skip_queue(struct sk_buff *skb, const struct net_device *dev);

/* u32_table.c */
struct datapath_u32_node {
	struct rhash_head head;
	u32 key;
};

int datapath_u32_table_init(struct rhashtable *ht);
struct datapath_u32_node *datapath_u32_table_lookup(struct rhashtable *ht, u32 key);
int datapath_u32_table_insert(struct rhashtable *ht, struct datapath_u32_node *node);
int datapath_u32_table_remove(struct rhashtable *ht, struct datapath_u32_node *node);

/* states.c */
bool datapath_states_added(struct net *net, struct xfrm_state *marker,
			   void (*added)(void *data, u32 if_id), void *data);
void datapath_states_leave(struct net *net, struct xfrm_state *marker);

/* vrf.c */
bool datapath_vrf_rcv(struct net_device *vrf, struct sk_buff *skb);

/* label.c */
u32 datapath_skb_secid(struct sk_buff *skb);
bool datapath_flows_have_labels(void);

/* trace.c */
void datapath_trace_drop(const struct net_device *dev, const struct sk_buff *skb, u32 if_id,
			 int link, bool out, u32 cause);
void datapath_trace_resize(u32 cache, size_t before, size_t after);
void datapath_trace_lookup(const struct net_device *dev, const struct sk_buff *skb, u32 if_id,
			   int link, int error);

#endif
