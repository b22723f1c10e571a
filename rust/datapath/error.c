// SPDX-License-Identifier: GPL-2.0
/*
 * What ICMP errors change, on routes that are looked up by the mark of a state.
 *
 * The packets here are errors: each begins with the packet that it quotes, and has come in by its
 * device. The marks that they come with are put back afterwards.
 */

#include <net/dst.h>
#include <net/ip6_route.h>
#include <net/route.h>
#include <net/sock.h>

#include "datapath.h"

/*
 * ipv4_update_pmtu() without a mark: where marks are to be reflected, the kernel takes that of the
 * error to look for the route.
 */
void datapath_ipv4_update_pmtu(struct sk_buff *skb, struct net *net, u32 mtu, int oif, u8 protocol)
{
	u32 mark = skb->mark;

	skb->mark = 0;
	ipv4_update_pmtu(skb, net, mtu, oif, protocol);
	skb->mark = mark;
}

/*
 * Sets the MTU of the route dst. IPv4 looks for the route again, by what it takes for a packet that
 * is being sent: so for a moment the error looks like the packet that it quotes.
 */
void datapath_dst_update_pmtu(struct dst_entry *dst, struct sk_buff *skb, u32 mark, u32 mtu)
{
	int network_offset = skb_network_offset(skb);
	struct net_device *dev = skb->dev;
	u32 old_mark = skb->mark;

	skb_reset_network_header(skb);
	skb->dev = dst_dev_rcu(dst);
	skb->mark = mark;
	dst->ops->update_pmtu(dst, NULL, skb, mtu, true);
	skb->mark = old_mark;
	skb->dev = dev;
	skb_set_network_header(skb, network_offset);
}

/* Has the route dst take the router that the error names. */
void datapath_dst_redirect(struct dst_entry *dst, struct sk_buff *skb, u32 mark)
{
	u32 old_mark = skb->mark;

	skb->mark = mark;
	dst->ops->redirect(dst, NULL, skb);
	skb->mark = old_mark;
}

/*
 * Has a route take the router that an IPv6 error names: the kernel looks for one through the device
 * that the error came in by, as no other takes notice of it.
 */
void datapath_ip6_redirect(struct sk_buff *skb, struct net *net, u32 mark)
{
	ip6_redirect(skb, net, skb->dev->ifindex, mark, sock_net_uid(net, NULL));
}
