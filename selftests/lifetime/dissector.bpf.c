// SPDX-License-Identifier: GPL-2.0
/*
 * A flow dissector that takes each IPv4 packet for UDP to the port that is its TTL: packets whose
 * headers are equal for everybody else belong to different flows.
 */
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

SEC("flow_dissector")
int port_is_ttl(struct __sk_buff *skb)
{
	struct bpf_flow_keys *keys = skb->flow_keys;
	struct iphdr ip;

	if (keys->n_proto != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, keys->nhoff, &ip, sizeof(ip)))
		return BPF_FLOW_DISSECTOR_CONTINUE;
	keys->addr_proto = ETH_P_IP;
	keys->ip_proto = IPPROTO_UDP;
	keys->ipv4_src = ip.saddr;
	keys->ipv4_dst = ip.daddr;
	keys->thoff = keys->nhoff + sizeof(ip);
	keys->sport = 0;
	keys->dport = bpf_htons(ip.ttl);
	return BPF_OK;
}

char _license[] SEC("license") = "GPL";
