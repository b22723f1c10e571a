// SPDX-License-Identifier: GPL-2.0

#include <linux/ipv6.h>
#include <linux/security.h>
#include <linux/skbuff.h>
#include <net/ip.h>
#include <net/ip_tunnels.h>
#include <net/sock.h>
#include <net/xfrm.h>

#include "helpers.h"

/* SKB_NOT_DROPPED_YET, or why the header of the packet's protocol cannot be had. */
int net_helper_pskb_inet_may_pull(struct sk_buff *skb)
{
	return pskb_inet_may_pull_reason(skb);
}

unsigned int net_helper_skb_headlen(const struct sk_buff *skb)
{
	return skb_headlen(skb);
}

int net_helper_inet_sdif(const struct sk_buff *skb)
{
	return inet_sdif(skb);
}

int net_helper_inet6_sdif(const struct sk_buff *skb)
{
	return inet6_sdif(skb);
}

/* What a security module calls the flow of the packet. */
u32 net_helper_skb_secid(struct sk_buff *skb)
{
	struct flowi_common flow = {};

	security_skb_classify_flow(skb, &flow);
	return flow.flowic_secid;
}

/*
 * Whether a security module labels policies and flows, so that a policy may be for some labels
 * only. Such a module refuses a label of a kind that nobody knows; without one, nobody does.
 */
bool net_helper_flows_have_labels(void)
{
	struct xfrm_user_sec_ctx unknown = {};
	struct xfrm_sec_ctx *label = NULL;
	int err = security_xfrm_policy_alloc(&label, &unknown, GFP_KERNEL);

	security_xfrm_policy_free(label);

	return err || label;
}

/* A socket that was found for a packet before it was received may be one that
 * it does not count for.
 */
void net_helper_skb_orphan_prefetched(struct sk_buff *skb)
{
	if (skb_sk_is_prefetched(skb))
		skb_orphan(skb);
}

u8 net_helper_ip_protocol(const struct sk_buff *skb)
{
	return ip_hdr(skb)->protocol;
}

u8 net_helper_ip6cb_nexthdr(const struct sk_buff *skb)
{
	return skb_network_header(skb)[IP6CB(skb)->nhoff];
}
