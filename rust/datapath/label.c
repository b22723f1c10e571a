// SPDX-License-Identifier: GPL-2.0
/*
 * Labels that security modules give to packets and policies.
 */

#include <linux/security.h>
#include <net/flow.h>
#include <net/xfrm.h>

#include "datapath.h"

/* What a security module calls the flow of the packet; 0 if there is none. */
u32 datapath_skb_secid(struct sk_buff *skb)
{
	struct flowi_common flow = {};

	security_skb_classify_flow(skb, &flow);
	return flow.flowic_secid;
}

/*
 * Whether a security module labels policies and flows, so that a policy may be for some labels
 * only. Such a module refuses a label of a kind that nobody knows; without one, nobody does. In
 * process context.
 */
bool datapath_flows_have_labels(void)
{
	struct xfrm_user_sec_ctx unknown = {};
	struct xfrm_sec_ctx *label = NULL;
	int err = security_xfrm_policy_alloc(&label, &unknown, GFP_KERNEL);

	security_xfrm_policy_free(label);

	return err || label;
}
