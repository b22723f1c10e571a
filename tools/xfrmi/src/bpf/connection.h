/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which connection a packet belongs to, as far as the packet tells: that of a static device is the
 * device's.
 */
#ifndef _XFRMI_CONNECTION_H
#define _XFRMI_CONNECTION_H

#include <linux/lwtunnel.h>
#include "kernel.h"

static __always_inline const struct dst_entry *dst_of(const struct sk_buff *skb)
{
	/* The lowest bits say who holds the reference. */
	return (const struct dst_entry *)(BPF_CORE_READ(skb, _skb_refdst) & ~7UL);
}

static __always_inline bool is_metadata(const struct dst_entry *dst)
{
	return BPF_CORE_READ(dst, flags) & DST_METADATA;
}

/*
 * The connection that a packet's route or metadata names. The id of an IP tunnel names one for the
 * Rust driver.
 */
static __always_inline bool if_id_of_dst(const struct dst_entry *dst, __u32 *if_id)
{
	const struct lwtunnel_state *encap;
	const struct metadata_dst *metadata;
	const struct xfrm_md_info *info;
	enum metadata_type type;

	if (!dst)
		return false;
	if (is_metadata(dst)) {
		metadata = (const struct metadata_dst *)dst;
		type = BPF_CORE_READ(metadata, type);
		if (type == bpf_core_enum_value(enum metadata_type, METADATA_XFRM))
			*if_id = BPF_CORE_READ(metadata, u.xfrm_info.if_id);
		else if (type == bpf_core_enum_value(enum metadata_type, METADATA_IP_TUNNEL))
			*if_id = bpf_be64_to_cpu(BPF_CORE_READ(metadata, u.tun_info.key.tun_id));
		else
			return false;
		return true;
	}
	encap = BPF_CORE_READ(dst, lwtstate);
	if (!encap || BPF_CORE_READ(encap, type) != LWTUNNEL_ENCAP_XFRM)
		return false;
	info = (const void *)encap + bpf_core_field_offset(struct lwtunnel_state, data);
	*if_id = BPF_CORE_READ(info, if_id);
	return true;
}

/* The connection of the state that has decrypted a packet, if one has. */
static __always_inline bool if_id_of_secpath(const struct sk_buff *skb, __u32 *if_id)
{
	__u32 id = bpf_core_enum_value(enum skb_ext_id, SKB_EXT_SEC_PATH);
	const struct xfrm_state *state = NULL;
	const struct sec_path *path;
	const void *extensions;
	__u8 offset = 0;
	int length;

	if (!(BPF_CORE_READ(skb, active_extensions) & (1U << id)))
		return false;
	extensions = BPF_CORE_READ(skb, extensions);
	if (bpf_probe_read_kernel(&offset, sizeof(offset), extensions +
				  bpf_core_field_offset(struct skb_ext, offset) + id))
		return false;
	/* The kernel counts offsets of extensions in units of eight bytes. */
	path = extensions + ((__u32)offset << 3);
	length = BPF_CORE_READ(path, len);
	if (length < 1)
		return false;
	if (bpf_probe_read_kernel(&state, sizeof(state), (const void *)path +
				  bpf_core_field_offset(struct sec_path, xvec) +
				  (length - 1) * sizeof(state)))
		return false;
	*if_id = BPF_CORE_READ(state, if_id);
	return true;
}

#endif
