/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The members of the kernel's structures that the programs read. At which offsets they are is found
 * out when the programs are loaded (CO-RE).
 */
#ifndef _XFRMI_KERNEL_H
#define _XFRMI_KERNEL_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct rtnl_link_ops {
	const char *kind;
};

struct net_device {
	char name[16];
	int ifindex;
	unsigned short type;
	possible_net_t nd_net;
	const struct rtnl_link_ops *rtnl_link_ops;
};

struct xfrm_state {
	__u32 if_id;
};

struct lwtunnel_state {
	__u16 type;
	__u8 data[0];
};

struct dst_entry {
	struct net_device *dev;
	struct xfrm_state *xfrm;
	unsigned short flags;
	struct lwtunnel_state *lwtstate;
};

struct xfrm_md_info {
	__u32 if_id;
};

struct ip_tunnel_key {
	__be64 tun_id;
};

struct ip_tunnel_info {
	struct ip_tunnel_key key;
};

enum metadata_type {
	METADATA_IP_TUNNEL,
	METADATA_XFRM = 3,
};

struct metadata_dst {
	struct dst_entry dst;
	enum metadata_type type;
	union {
		struct ip_tunnel_info tun_info;
		struct xfrm_md_info xfrm_info;
	} u;
};

enum skb_ext_id {
	SKB_EXT_SEC_PATH = 1,
};

struct skb_ext {
	__u8 offset[1];
};

struct sec_path {
	int len;
	struct xfrm_state *xvec[1];
};

struct sk_buff {
	struct net_device *dev;
	unsigned long _skb_refdst;
	unsigned int len;
	unsigned int data_len;
	__u16 network_header;
	__u8 active_extensions;
	unsigned char *head;
	unsigned char *data;
	struct skb_ext *extensions;
};

#pragma clang attribute pop

/* Constants that are macros in the kernel, so that its types do not tell them. */
#define DST_METADATA	0x0080
#define ARPHRD_NONE	0xfffe

#endif
