// SPDX-License-Identifier: GPL-2.0
/* Programs that give each packet to the device with the index TO. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int to_ingress(struct __sk_buff *skb)
{
	/* The header of Ethernet is that of the encrypted packet. The VRF wants its own address there. */
	__u8 to[ETH_ALEN] = { 2, 0, 0, 0, 0, 0x64 };

	if (bpf_skb_store_bytes(skb, 0, to, sizeof(to), 0))
		return TC_ACT_SHOT;
	return bpf_redirect(TO, BPF_F_INGRESS);
}

SEC("tc")
int to_peer(struct __sk_buff *skb)
{
	return bpf_redirect_peer(TO, 0);
}

char _license[] SEC("license") = "GPL";
