/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What kfuncs.c and net/xfrm/kfuncs.rs call of each other.
 */
#ifndef _NET_KFUNCS_H
#define _NET_KFUNCS_H

#include <linux/skbuff.h>

int net_xfrm_info_get(struct sk_buff *skb, u32 *if_id, int *link);
int net_xfrm_info_set(struct sk_buff *skb, u32 if_id, int link);
int register_xfrm_interface_kfuncs(void);

#endif
