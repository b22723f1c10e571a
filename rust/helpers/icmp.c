// SPDX-License-Identifier: GPL-2.0

#include <linux/icmpv6.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/ipv6.h>

__rust_helper void rust_helper_icmp_ndo_send(struct sk_buff *skb, int type, int code, __be32 info)
{
	icmp_ndo_send(skb, type, code, info);
}

__rust_helper void rust_helper_icmpv6_ndo_send(struct sk_buff *skb, u8 type, u8 code, __u32 info)
{
	icmpv6_ndo_send(skb, type, code, info);
}

__rust_helper u32 rust_helper_IP4_REPLY_MARK(struct net *net, u32 mark)
{
	return IP4_REPLY_MARK(net, mark);
}

__rust_helper u32 rust_helper_IP6_REPLY_MARK(struct net *net, u32 mark)
{
	return IP6_REPLY_MARK(net, mark);
}
