// SPDX-License-Identifier: GPL-2.0

#include <net/xfrm.h>

__rust_helper void rust_helper_xfrm_state_put(struct xfrm_state *x)
{
	xfrm_state_put(x);
}

__rust_helper int rust_helper_xfrm_policy_check(struct sock *sk, int dir, struct sk_buff *skb,
						unsigned short family)
{
	return xfrm_policy_check(sk, dir, skb, family);
}

__rust_helper const struct xfrm_mode *rust_helper_xfrm_ip2inner_mode(struct xfrm_state *x,
								     int ipproto)
{
	return xfrm_ip2inner_mode(x, ipproto);
}

__rust_helper struct xfrm_mode_skb_cb *rust_helper_XFRM_MODE_SKB_CB(struct sk_buff *skb)
{
	return XFRM_MODE_SKB_CB(skb);
}
