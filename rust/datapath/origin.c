// SPDX-License-Identifier: GPL-2.0
/*
 * Where a packet that is on its way out comes from.
 */

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/addrconf.h>
#include <net/fib_rules.h>
#include <net/inet_sock.h>
#include <net/l3mdev.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/route.h>

#include "datapath.h"

/*
 * The index of the device that the packet's sender has bound its socket to; 0 if there is no such
 * device, or no such socket in this namespace.
 */
int datapath_skb_bound_ifindex(const struct sk_buff *skb, const struct net *net)
{
	const struct sock *sk = skb_to_full_sk(skb);

	return sk && net_eq(sock_net(sk), net) ? READ_ONCE(sk->sk_bound_dev_if) : 0;
}

/* Whether addresses of the packet's connection are translated. */
bool datapath_skb_has_nat(const struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
	enum ip_conntrack_info info;
	const struct nf_conn *ct = nf_ct_get(skb, &info);

	return ct && READ_ONCE(ct->status) & IPS_NAT_MASK;
#else
	return false;
#endif
}

/*
 * Whether a packet was sent from an address of this host, as seen by dev, and not forwarded. The
 * packet has a route, and its network header is contiguous in memory.
 */
bool datapath_skb_is_from_here(const struct sk_buff *skb, const struct net_device *dev)
{
	struct net *net = dev_net_rcu(dev);

	if (skb->protocol == htons(ETH_P_IP))
		return !rt_is_input_route(skb_rtable(skb)) &&
		       inet_addr_type_dev_table(net, dev, ip_hdr(skb)->saddr) == RTN_LOCAL;
#if IS_ENABLED(CONFIG_IPV6)
	return ipv6_chk_addr(net, &ipv6_hdr(skb)->saddr, NULL, 0);
#else
	return false;
#endif
}

/* Whether the packet, which was received, is one that is forwarded. It has a route. */
static bool is_forwarded(const struct sk_buff *skb, struct net *net)
{
	if (skb->protocol == htons(ETH_P_IP))
		return rt_is_input_route(skb_rtable(skb));
#if IS_ENABLED(CONFIG_IPV6)
	/* An address that was translated is one of ours. */
	return datapath_skb_has_nat(skb) || !ipv6_chk_addr(net, &ipv6_hdr(skb)->saddr, NULL, 0);
#else
	return false;
#endif
}

/* Whether the packet has an address of the VRF of "dev" for its source. */
static bool is_from_vrf(const struct sk_buff *skb, struct net *net, const struct net_device *dev)
{
	if (skb->protocol == htons(ETH_P_IP))
		return inet_addr_type_dev_table(net, dev, ip_hdr(skb)->saddr) == RTN_LOCAL;
#if IS_ENABLED(CONFIG_IPV6)
	return ipv6_chk_addr(net, &ipv6_hdr(skb)->saddr, dev, 0);
#else
	return false;
#endif
}

/* Whether routes are looked up by VRF: the first VRF brings a rule for all of them, which stays. */
static bool has_vrf_rule(const struct sk_buff *skb, const struct net *net)
{
	const struct fib_rules_ops *ops = NULL;
	const struct fib_rule *rule;

#if IS_ENABLED(CONFIG_IP_MULTIPLE_TABLES)
	if (skb->protocol == htons(ETH_P_IP))
		ops = net->ipv4.rules_ops;
#endif
#if IS_ENABLED(CONFIG_IPV6_MULTIPLE_TABLES)
	if (skb->protocol == htons(ETH_P_IPV6))
		ops = net->ipv6.fib6_rules_ops;
#endif
	if (!ops)
		return false;
	list_for_each_entry_rcu(rule, &ops->rules_list, list) {
		if (rule->l3mdev)
			return true;
	}
	return false;
}

/*
 * The index of the VRF in which the packet's route was looked up, 0 if in none, negative if that
 * can't be told. The packet has a route of its family, and its network header is contiguous in
 * memory.
 *
 * What it was received by, or its socket is bound to, may be what a packet inside of it was: those
 * of tunnels and IPsec keep that. Their own source address then tells.
 */
int datapath_skb_route_vrf(const struct sk_buff *skb, const struct net_device *dev)
{
	struct net *net = dev_net_rcu(dev);
	struct net_device *origin;
	int ifindex;

	ifindex = skb->skb_iif ?: datapath_skb_bound_ifindex(skb, net);
	/* The kernel answers from sockets that are not bound, whatever the VRF. */
	if (!ifindex)
		return has_vrf_rule(skb, net) ? -ENODEV : 0;
	origin = dev_get_by_index_rcu(net, ifindex);
	if (!origin)
		return -ENODEV;
	if (skb->skb_iif ? !is_forwarded(skb, net) : !is_from_vrf(skb, net, origin))
		return -ENODEV;
	return l3mdev_master_ifindex_rcu(origin);
}
