// SPDX-License-Identifier: GPL-2.0
/* Chooses the connection of every packet that an external device sends. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct bpf_xfrm_info___local {
	__u32 if_id;
	int link;
} __attribute__((preserve_access_index));

int bpf_skb_set_xfrm_info(struct __sk_buff *skb, const struct bpf_xfrm_info___local *from) __ksym;

SEC("tc")
int set_if_id(struct __sk_buff *skb)
{
	struct bpf_xfrm_info___local info = { .if_id = 7 };

	return bpf_skb_set_xfrm_info(skb, &info) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
