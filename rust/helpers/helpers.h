/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Prototypes of the wrappers in this directory, for bindgen and for the C compiler.
 *
 * A wrapper makes a static inline function or a macro of the kernel callable from Rust. It holds no
 * logic of its own; on the packet path it does a whole step, because each one is a real call.
 */
#ifndef _NET_HELPERS_H
#define _NET_HELPERS_H

#include <linux/netdevice.h>
#include <linux/percpu-refcount.h>
#include <linux/rhashtable-types.h>
#include <linux/skbuff.h>
#include <net/flow.h>
#include <net/netlink.h>
#include <net/xfrm.h>

/* dst.c */
void net_helper_dst_hold(struct dst_entry *dst);
u32 net_helper_dst_mtu(const struct dst_entry *dst);
struct net_device *net_helper_dst_dev_rcu(const struct dst_entry *dst);
void net_helper_dst_link_failure(struct sk_buff *skb);
bool net_helper_dst_neigh_is_valid(const struct dst_entry *dst, const void *daddr);
void net_helper_skb_dst_update_pmtu_no_confirm(struct sk_buff *skb, u32 mtu);
void net_helper_skb_dst_set(struct sk_buff *skb, struct dst_entry *dst);
void net_helper_skb_dst_drop(struct sk_buff *skb);
void net_helper_skb_dst_force(struct sk_buff *skb);
struct dst_entry *net_helper_ip_route_output(struct net *net, struct flowi *fl);
struct dst_entry *net_helper_ip6_route_output(struct net *net, struct flowi *fl);

/* icmp.c */
void net_helper_icmp_frag_needed(struct sk_buff *skb, u32 mtu);
void net_helper_icmpv6_packet_too_big(struct sk_buff *skb, u32 mtu);
u32 net_helper_ip4_reply_mark(struct net *net, u32 mark);
u32 net_helper_ip6_reply_mark(struct net *net, u32 mark);
void net_helper_ipv4_update_pmtu(struct sk_buff *skb, struct net *net, u32 mtu, int oif,
				 u8 protocol);
void net_helper_dst_update_pmtu(struct dst_entry *dst, struct sk_buff *skb, u32 mark, u32 mtu);
void net_helper_dst_redirect(struct dst_entry *dst, struct sk_buff *skb, u32 mark);
void net_helper_ip6_redirect(struct sk_buff *skb, struct net *net, u32 mark);

/* ../kfuncs.c */
int net_helper_register_xfrm_kfuncs(void);

/* lwtunnel.c */
int net_helper_lwtunnel_encap_add_ops(const struct lwtunnel_encap_ops *ops, unsigned int type);
void net_helper_lwtunnel_encap_del_ops(const struct lwtunnel_encap_ops *ops, unsigned int type);

/* net_namespace.c */
void *net_helper_net_generic(const struct net *net, unsigned int id);
struct net *net_helper_dev_net(const struct net_device *dev);

/* netdevice.c */
void *net_helper_netdev_priv(struct net_device *dev);
void net_helper_dev_hold(struct net_device *dev);
void net_helper_dev_put(struct net_device *dev);
void net_helper_netif_keep_dst(struct net_device *dev);
void net_helper_eth_hw_addr_inherit(struct net_device *to, struct net_device *from);
void net_helper_eth_hw_addr_random(struct net_device *dev);
void net_helper_eth_broadcast_addr(struct net_device *dev);
int net_helper_l3mdev_master_ifindex_rcu(struct net_device *dev);
void net_helper_dev_stats_inc_rx_errors(struct net_device *dev);
void net_helper_dev_stats_inc_rx_dropped(struct net_device *dev);
void net_helper_dev_stats_inc_tx_errors(struct net_device *dev);
void net_helper_dev_stats_inc_tx_dropped(struct net_device *dev);
void net_helper_dev_stats_inc_tx_aborted_errors(struct net_device *dev);
void net_helper_dev_stats_inc_tx_carrier_errors(struct net_device *dev);
void net_helper_dev_stats_inc_collisions(struct net_device *dev);
unsigned int net_helper_ll_reserved_space(const struct net_device *dev);
void net_helper_netdev_warn_ratelimited(struct net_device *dev, const char *text);

/* percpu.c */
void __percpu *net_helper_alloc_percpu_pointer(void);
void *net_helper_this_cpu_pointer(void __percpu *pointers);
void *net_helper_per_cpu_pointer(void __percpu *pointers, unsigned int cpu);
void net_helper_set_per_cpu_pointer(void __percpu *pointers, unsigned int cpu, void *value);
bool net_helper_percpu_ref_tryget_live(struct percpu_ref *ref);
void net_helper_percpu_ref_put(struct percpu_ref *ref);

/* rhashtable.c */
struct net_helper_u32_node {
	struct rhash_head head;
	u32 key;
};

int net_helper_u32_table_init(struct rhashtable *ht);
struct net_helper_u32_node *net_helper_u32_table_lookup(struct rhashtable *ht, u32 key);
int net_helper_u32_table_insert(struct rhashtable *ht, struct net_helper_u32_node *node);
int net_helper_u32_table_remove(struct rhashtable *ht, struct net_helper_u32_node *node);

/* rtnetlink.c */
void net_helper_assert_rtnl(void);
int net_helper_nla_parse_nested(struct nlattr *tb[], int maxtype, const struct nlattr *nla,
				const struct nla_policy *policy, struct netlink_ext_ack *extack);
void net_helper_nl_set_err_msg(struct netlink_ext_ack *extack, const char *msg,
			       const struct nlattr *attr);
void net_helper_nl_set_err_attr_miss(struct netlink_ext_ack *extack, const char *msg,
				     const struct nlattr *nest, u32 type);

/* skbuff.c */
int net_helper_pskb_inet_may_pull(struct sk_buff *skb);
unsigned int net_helper_skb_headlen(const struct sk_buff *skb);
int net_helper_inet_sdif(const struct sk_buff *skb);
int net_helper_inet6_sdif(const struct sk_buff *skb);
u32 net_helper_skb_secid(struct sk_buff *skb);
bool net_helper_flows_have_labels(void);
void net_helper_skb_orphan_prefetched(struct sk_buff *skb);
u8 net_helper_ip_protocol(const struct sk_buff *skb);
u8 net_helper_ip6cb_nexthdr(const struct sk_buff *skb);

/* timer.c */
void net_helper_timer_setup(struct timer_list *timer, void (*function)(struct timer_list *));
void net_helper_mod_timer_seconds(struct timer_list *timer, unsigned int seconds);
void net_helper_timer_reduce(struct timer_list *timer, unsigned long ticks);

/* tunnel.c */
int net_helper_tunnel_xmit(struct net_device *dev, struct net *net, struct sk_buff *skb,
			   struct dst_entry *dst);
void net_helper_tunnel_rcv(struct net_device *dev, const struct net *net, struct sk_buff *skb,
			   struct dst_entry *metadata);

/* xfrm.c */
void net_helper_xfrm_state_put(struct xfrm_state *x);
bool net_helper_xfrm_policy_check_in(struct sk_buff *skb, unsigned short family);
bool net_helper_xfrm_policy_try_in(struct net *net, struct sk_buff *skb, unsigned short family);
struct xfrm_state *net_helper_xfrm_next_state(struct sk_buff *skb, int nexthdr, __be32 spi,
					      unsigned short family);
bool net_helper_gro_takes_esp(void);
const struct xfrm_mode *net_helper_xfrm_ip2inner_mode(struct xfrm_state *x, struct sk_buff *skb);
int net_helper_xfrm4_input(struct sk_buff *skb, int nexthdr, __be32 spi, int encap_type);
int net_helper_xfrm6_input(struct sk_buff *skb, int nexthdr, __be32 spi, int encap_type);
#if IS_REACHABLE(CONFIG_INET_XFRM_TUNNEL)
int net_helper_xfrm4_rcv_tunnel(struct sk_buff *skb);
#endif
#if IS_REACHABLE(CONFIG_INET6_XFRM_TUNNEL)
int net_helper_xfrm6_rcv_tunnel(struct sk_buff *skb);
#endif

#endif
