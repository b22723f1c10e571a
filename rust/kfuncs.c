// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel functions that TC programs call to read and set the metadata of a packet.
 *
 * They are in C because the verifier knows functions by their BTF, from which Rust is left out.
 * What they do is in net/xfrm/kfuncs.rs.
 */

#include <linux/bpf.h>
#include <linux/btf_ids.h>

#include "kfuncs.h"

/**
 * struct bpf_xfrm_info - which IPsec connection a packet belongs to
 * @if_id: the interface identifier of its states and policies, in host byte order
 * @link: index of the device to send through (0 for any), or that the packet was received by
 */
struct bpf_xfrm_info {
	u32 if_id;
	int link;
};

__bpf_kfunc_start_defs();

/**
 * bpf_skb_get_xfrm_info - read which connection a packet belongs to
 * @skb_ctx: the packet
 * @to: where to write it
 *
 * Return: 0, or -EINVAL if the packet has no such metadata.
 */
__bpf_kfunc int bpf_skb_get_xfrm_info(struct __sk_buff *skb_ctx, struct bpf_xfrm_info *to)
{
	return net_xfrm_info_get((struct sk_buff *)skb_ctx, &to->if_id, &to->link);
}

/**
 * bpf_skb_set_xfrm_info - set which connection a packet is to be sent through
 * @skb_ctx: the packet, which may have a route
 * @from: the connection
 *
 * The metadata belongs to this packet and its clones: what is set for other packets does not change
 * it, however long the packet waits before an external device sends it.
 *
 * Return: 0, -EINVAL if the packet has metadata, or -ENOMEM.
 */
__bpf_kfunc int bpf_skb_set_xfrm_info(struct __sk_buff *skb_ctx, const struct bpf_xfrm_info *from)
{
	return net_xfrm_info_set((struct sk_buff *)skb_ctx, from->if_id, from->link);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(xfrm_interface_kfunc_ids)
BTF_ID_FLAGS(func, bpf_skb_get_xfrm_info)
BTF_ID_FLAGS(func, bpf_skb_set_xfrm_info)
BTF_KFUNCS_END(xfrm_interface_kfunc_ids)

static const struct btf_kfunc_id_set xfrm_interface_kfuncs = {
	.owner = THIS_MODULE,
	.set = &xfrm_interface_kfunc_ids,
};

/* There is nothing to undo: the kernel forgets the set together with the module's BTF. */
int register_xfrm_interface_kfuncs(void)
{
	return register_btf_kfunc_id_set(BPF_PROG_TYPE_SCHED_CLS, &xfrm_interface_kfuncs);
}
