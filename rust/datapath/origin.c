// SPDX-License-Identifier: GPL-2.0
/*
 * Where a packet that is on its way out comes from.
 */

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/addrconf.h>
#include <net/inet_sock.h>
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
