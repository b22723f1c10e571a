// SPDX-License-Identifier: GPL-2.0
/*
 * What ICMP errors change, on routes that are looked up by the mark of a state.
 */

#include <net/dst.h>
#include <net/ip6_route.h>
#include <net/route.h>
#include <net/sock.h>

#include "datapath.h"

/* The kernel looks by the mark of the error if marks are to be reflected. */
void datapath_ipv4_update_pmtu(struct sk_buff *skb, struct net *net, u32 mtu, int oif, u8 protocol)
{
	u32 mark = skb->mark;

	skb->mark = 0;
	ipv4_update_pmtu(skb, net, mtu, oif, protocol);
	skb->mark = mark;
}

/* IPv4 looks for the route again, by what it takes for a packet that is being sent. */
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

void datapath_dst_redirect(struct dst_entry *dst, struct sk_buff *skb, u32 mark)
{
	u32 old_mark = skb->mark;

	skb->mark = mark;
	dst->ops->redirect(dst, NULL, skb);
	skb->mark = old_mark;
}

/* Only routes through the device that a redirect came in by take notice of it. */
void datapath_ip6_redirect(struct sk_buff *skb, struct net *net, u32 mark)
{
	ip6_redirect(skb, net, skb->dev->ifindex, mark, sock_net_uid(net, NULL));
}
