// SPDX-License-Identifier: GPL-2.0
/*
 * The driver's tracepoints, and what they read of packets. While nobody listens, a call costs a
 * branch that is not taken.
 */

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/ipv6.h>

#define CREATE_TRACE_POINTS
#include "trace.h"

#include "datapath.h"

/* The ports are the first words of the transport headers that have any. */
static void read_ports(struct trace_packet *packet, const struct sk_buff *skb, int offset)
{
	__be16 room[2];
	const __be16 *ports;

	switch (packet->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		ports = skb_header_pointer(skb, offset, sizeof(room), room);
		if (ports) {
			packet->sport = ports[0];
			packet->dport = ports[1];
		}
	}
}

/* Reads what can be read: a packet may be shorter than its headers. */
void trace_packet_read(struct trace_packet *packet, const struct sk_buff *skb)
{
	int offset = skb_network_offset(skb);

	memset(packet, 0, sizeof(*packet));
	if (skb->protocol == htons(ETH_P_IP)) {
		struct iphdr room;
		const struct iphdr *ip = skb_header_pointer(skb, offset, sizeof(room), &room);

		if (!ip)
			return;
		packet->family = AF_INET;
		packet->protocol = ip->protocol;
		/* As addresses of IPv6 that stand for such of IPv4. */
		ipv6_addr_set_v4mapped(ip->saddr, (struct in6_addr *)packet->saddr);
		ipv6_addr_set_v4mapped(ip->daddr, (struct in6_addr *)packet->daddr);
		if (!(ip->frag_off & htons(IP_OFFSET)))
			read_ports(packet, skb, offset + ip->ihl * 4);
	} else if (skb->protocol == htons(ETH_P_IPV6)) {
		struct ipv6hdr room;
		const struct ipv6hdr *ip = skb_header_pointer(skb, offset, sizeof(room), &room);
		__be16 fragment;
		u8 protocol;

		if (!ip)
			return;
		packet->family = AF_INET6;
		protocol = ip->nexthdr;
		memcpy(packet->saddr, &ip->saddr, sizeof(packet->saddr));
		memcpy(packet->daddr, &ip->daddr, sizeof(packet->daddr));
		offset = ipv6_skip_exthdr(skb, offset + sizeof(*ip), &protocol, &fragment);
		packet->protocol = protocol;
		if (offset >= 0 && !(fragment & htons(IP6_OFFSET)))
			read_ports(packet, skb, offset);
	}
}

/* Tells whoever listens of a packet that is dropped; the cause is one of those in trace.h. */
void datapath_trace_drop(const struct net_device *dev, const struct sk_buff *skb, u32 if_id,
			 int link, bool out, u32 cause)
{
	trace_drop(dev, skb, if_id, link, out, cause);
}

/* Tells whoever listens of a cache that has another size, in entries. */
void datapath_trace_resize(u32 cache, size_t before, size_t after)
{
	trace_resize(cache, before, after);
}

/* Tells whoever listens of a packet whose bundle was looked up, with 0 or a negative error. */
void datapath_trace_lookup(const struct net_device *dev, const struct sk_buff *skb, u32 if_id,
			   int link, int error)
{
	trace_lookup(dev, skb, if_id, link, true, error);
}
