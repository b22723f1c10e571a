// SPDX-License-Identifier: GPL-2.0

#include <linux/icmpv6.h>
#include <net/dst.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>

#include "helpers.h"

void net_helper_icmp_frag_needed(struct sk_buff *skb, u32 mtu)
{
	icmp_ndo_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(mtu));
}

void net_helper_icmpv6_packet_too_big(struct sk_buff *skb, u32 mtu)
{
	icmpv6_ndo_send(skb, ICMPV6_PKT_TOOBIG, 0, mtu);
}

u32 net_helper_ip4_reply_mark(struct net *net, u32 mark)
{
	return IP4_REPLY_MARK(net, mark);
}

u32 net_helper_ip6_reply_mark(struct net *net, u32 mark)
{
	return IP6_REPLY_MARK(net, mark);
}

/* The kernel looks by the mark of the error if marks are to be reflected. */
void net_helper_ipv4_update_pmtu(struct sk_buff *skb, struct net *net, u32 mtu, int oif,
				 u8 protocol)
{
	u32 mark = skb->mark;

	skb->mark = 0;
	ipv4_update_pmtu(skb, net, mtu, oif, protocol);
	skb->mark = mark;
}

/* IPv4 looks for the route again, by what it takes for a packet that is being sent. */
void net_helper_dst_update_pmtu(struct dst_entry *dst, struct sk_buff *skb, u32 mark, u32 mtu)
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

void net_helper_dst_redirect(struct dst_entry *dst, struct sk_buff *skb, u32 mark)
{
	u32 old_mark = skb->mark;

	skb->mark = mark;
	dst->ops->redirect(dst, NULL, skb);
	skb->mark = old_mark;
}

/* Only routes through the device that a redirect came in by take notice of it. */
void net_helper_ip6_redirect(struct sk_buff *skb, struct net *net, u32 mark)
{
	ip6_redirect(skb, net, skb->dev->ifindex, mark, sock_net_uid(net, NULL));
}
