// SPDX-License-Identifier: GPL-2.0

#include <linux/icmpv6.h>
#include <net/icmp.h>
#include <net/ip6_route.h>

#include "helpers.h"

void net_helper_icmp_frag_needed(struct sk_buff *skb, u32 mtu)
{
	icmp_ndo_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(mtu));
}

void net_helper_icmpv6_packet_too_big(struct sk_buff *skb, u32 mtu)
{
	icmpv6_ndo_send(skb, ICMPV6_PKT_TOOBIG, 0, mtu);
}

void net_helper_ip6_update_pmtu(struct sk_buff *skb, struct net *net, __be32 mtu, int oif)
{
	ip6_update_pmtu(skb, net, mtu, oif, 0, sock_net_uid(net, NULL));
}

/* Only routes through the device that a redirect came in by take notice of it. */
void net_helper_ip6_redirect(struct sk_buff *skb, struct net *net)
{
	ip6_redirect(skb, net, skb->dev->ifindex, 0, sock_net_uid(net, NULL));
}
