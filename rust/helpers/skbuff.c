// SPDX-License-Identifier: GPL-2.0

#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <net/ip.h>
#include <net/ip_tunnels.h>
#include <net/sock.h>

__rust_helper enum skb_drop_reason rust_helper_pskb_inet_may_pull_reason(struct sk_buff *skb)
{
	return pskb_inet_may_pull_reason(skb);
}

__rust_helper int rust_helper_inet_sdif(const struct sk_buff *skb)
{
	return inet_sdif(skb);
}

__rust_helper int rust_helper_inet6_sdif(const struct sk_buff *skb)
{
	return inet6_sdif(skb);
}

__rust_helper bool rust_helper_skb_sk_is_prefetched(struct sk_buff *skb)
{
	return skb_sk_is_prefetched(skb);
}

__rust_helper void rust_helper_skb_orphan(struct sk_buff *skb)
{
	skb_orphan(skb);
}

__rust_helper struct sk_buff *rust_helper_skb_share_check(struct sk_buff *skb, gfp_t pri)
{
	return skb_share_check(skb, pri);
}
