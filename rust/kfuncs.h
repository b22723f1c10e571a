/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What kfuncs.c calls in Rust (net/kfuncs.rs).
 */
#ifndef _NET_KFUNCS_H
#define _NET_KFUNCS_H

#include <linux/skbuff.h>

int net_xfrm_info_get(struct sk_buff *skb, u32 *if_id, int *link);
int net_xfrm_info_set(struct sk_buff *skb, u32 if_id, int link);

#endif
