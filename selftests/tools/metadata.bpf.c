// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that read and write the metadata of an external device's packets. The packet's mark is
 * how they talk to the test.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct bpf_xfrm_info___local {
	__u32 if_id;
	int link;
} __attribute__((preserve_access_index));

int bpf_skb_set_xfrm_info(struct __sk_buff *skb, const struct bpf_xfrm_info___local *from) __ksym;
int bpf_skb_get_xfrm_info(struct __sk_buff *skb, struct bpf_xfrm_info___local *to) __ksym;

/* What a packet without metadata is marked with. */
#define NO_METADATA 0xdead

/* What is added to a link, so that the mark of a packet without one differs from no mark. */
#define LINK_IS 100000

SEC("tc")
int mark_is_if_id(struct __sk_buff *skb)
{
	struct bpf_xfrm_info___local info = {};

	skb->mark = bpf_skb_get_xfrm_info(skb, &info) ? NO_METADATA : info.if_id;
	return TC_ACT_UNSPEC;
}

SEC("tc")
int mark_is_link(struct __sk_buff *skb)
{
	struct bpf_xfrm_info___local info = {};

	skb->mark = bpf_skb_get_xfrm_info(skb, &info) ? NO_METADATA : LINK_IS + info.link;
	return TC_ACT_UNSPEC;
}

SEC("tc")
int if_id_is_mark(struct __sk_buff *skb)
{
	struct bpf_xfrm_info___local info = { .if_id = skb->mark };

	return bpf_skb_set_xfrm_info(skb, &info) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

/* The mark is the if_id, if there is one. */
SEC("tc")
int if_id_is_mark_if_any(struct __sk_buff *skb)
{
	return skb->mark ? if_id_is_mark(skb) : TC_ACT_UNSPEC;
}

/* The mark holds the if_id in its low byte and the link in the others. */
SEC("tc")
int if_id_and_link_are_mark(struct __sk_buff *skb)
{
	struct bpf_xfrm_info___local info = { .if_id = skb->mark & 0xff, .link = skb->mark >> 8 };

	return bpf_skb_set_xfrm_info(skb, &info) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

/* Metadata that is there can't be set again. */
SEC("tc")
int set_twice(struct __sk_buff *skb)
{
	struct bpf_xfrm_info___local info = { .if_id = 5 };

	if (bpf_skb_set_xfrm_info(skb, &info))
		return TC_ACT_SHOT;
	info.if_id = 6;
	return bpf_skb_set_xfrm_info(skb, &info) == -22 ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

/* IPv4 packets get an IPv6 header after their connection has been set. */
SEC("tc")
int set_and_wrap(struct __sk_buff *skb)
{
	struct bpf_xfrm_info___local info = { .if_id = 5 };
	struct ipv6hdr header = {
		.version = 6,
		.nexthdr = IPPROTO_IPIP,
		.hop_limit = 64,
		.payload_len = bpf_htons(skb->len),
		/* fd00:1::1 and fd00:1::2 */
		.saddr.in6_u.u6_addr32 = { bpf_htonl(0xfd000001), 0, 0, bpf_htonl(1) },
		.daddr.in6_u.u6_addr32 = { bpf_htonl(0xfd000001), 0, 0, bpf_htonl(2) },
	};

	if (bpf_skb_set_xfrm_info(skb, &info) ||
	    bpf_skb_adjust_room(skb, sizeof(header), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_ENCAP_L3_IPV6) ||
	    bpf_skb_store_bytes(skb, 0, &header, sizeof(header), 0))
		return TC_ACT_SHOT;
	return TC_ACT_UNSPEC;
}

SEC("tc")
int send_back(struct __sk_buff *skb)
{
	return bpf_redirect(skb->ifindex, 0);
}

char _license[] SEC("license") = "GPL";
