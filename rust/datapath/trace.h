/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints of the driver: docs/tracing.md says what their fields mean, and that they stay.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM xfrm_interface

#if !defined(_XFRM_INTERFACE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _XFRM_INTERFACE_TRACE_H

#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/tracepoint.h>

#ifndef _XFRM_INTERFACE_TRACE_PACKET
#define _XFRM_INTERFACE_TRACE_PACKET

/* What a trace shows of a packet. Addresses and ports are in network byte order. */
struct trace_packet {
	u16 family;
	u8 protocol;
	__be16 sport;
	__be16 dport;
	u8 saddr[16];
	u8 daddr[16];
};

void trace_packet_read(struct trace_packet *packet, const struct sk_buff *skb);

#endif

#define XFRM_INTERFACE_CAUSES	\
	CAUSE(0, "protocol")		\
	CAUSE(1, "malformed")		\
	CAUSE(2, "no_connection")	\
	CAUSE(3, "no_route")		\
	CAUSE(4, "no_state")		\
	CAUSE(5, "policy")		\
	CAUSE(6, "no_policy")		\
	CAUSE(7, "loop")		\
	CAUSE(8, "too_big")		\
	CAUSE(9, "memory")		\
	CAUSE(10, "down")		\
	CAUSE(11, "vrf_conflict")	\
	CAUSE(12, "vrf_down")		\
	CAUSE_END(13, "label")

#undef CAUSE
#undef CAUSE_END
#define CAUSE(number, name) { number, name },
#define CAUSE_END(number, name) { number, name }

DECLARE_EVENT_CLASS(xfrm_interface_packet,
	TP_PROTO(const struct net_device *dev, const struct sk_buff *skb, u32 if_id, int link,
		 bool out, int result),
	TP_ARGS(dev, skb, if_id, link, out, result),
	TP_STRUCT__entry(
		__string(dev, dev->name)
		__field(int, ifindex)
		__field(u32, if_id)
		__field(int, link)
		__field(int, result)
		__field(bool, out)
		__field(u32, len)
		__field(u16, family)
		__field(u8, protocol)
		__field(u16, sport)
		__field(u16, dport)
		__array(u8, saddr, 16)
		__array(u8, daddr, 16)
	),
	TP_fast_assign(
		struct trace_packet packet;

		trace_packet_read(&packet, skb);
		__assign_str(dev);
		__entry->ifindex = dev->ifindex;
		__entry->if_id = if_id;
		__entry->link = link;
		__entry->result = result;
		__entry->out = out;
		__entry->len = skb->len;
		__entry->family = packet.family;
		__entry->protocol = packet.protocol;
		__entry->sport = ntohs(packet.sport);
		__entry->dport = ntohs(packet.dport);
		memcpy(__entry->saddr, packet.saddr, sizeof(packet.saddr));
		memcpy(__entry->daddr, packet.daddr, sizeof(packet.daddr));
	),
	TP_printk("dev=%s if_id=%u link=%d dir=%s result=%d len=%u family=%u saddr=%pI6c daddr=%pI6c proto=%u sport=%u dport=%u",
		  __get_str(dev), __entry->if_id, __entry->link, __entry->out ? "out" : "in",
		  __entry->result, __entry->len, __entry->family, __entry->saddr, __entry->daddr,
		  __entry->protocol, __entry->sport, __entry->dport)
);

/* A packet that the driver drops, and why: the result is one of the causes. */
DEFINE_EVENT_PRINT(xfrm_interface_packet, drop,
	TP_PROTO(const struct net_device *dev, const struct sk_buff *skb, u32 if_id, int link,
		 bool out, int result),
	TP_ARGS(dev, skb, if_id, link, out, result),
	TP_printk("dev=%s if_id=%u link=%d dir=%s reason=%s len=%u family=%u saddr=%pI6c daddr=%pI6c proto=%u sport=%u dport=%u",
		  __get_str(dev), __entry->if_id, __entry->link, __entry->out ? "out" : "in",
		  __print_symbolic(__entry->result, XFRM_INTERFACE_CAUSES), __entry->len,
		  __entry->family, __entry->saddr, __entry->daddr, __entry->protocol,
		  __entry->sport, __entry->dport)
);

/* A packet whose bundle was looked up, because none was known: the result is 0 or an error. */
DEFINE_EVENT(xfrm_interface_packet, lookup,
	TP_PROTO(const struct net_device *dev, const struct sk_buff *skb, u32 if_id, int link,
		 bool out, int result),
	TP_ARGS(dev, skb, if_id, link, out, result)
);

/* What the CPU on which the event is recorded remembers has room for another number of entries. */
TRACE_EVENT(resize,
	TP_PROTO(u32 cache, unsigned long before, unsigned long after),
	TP_ARGS(cache, before, after),
	TP_STRUCT__entry(
		__field(u32, cache)
		__field(unsigned long, before)
		__field(unsigned long, after)
	),
	TP_fast_assign(
		__entry->cache = cache;
		__entry->before = before;
		__entry->after = after;
	),
	TP_printk("cache=%s before=%lu after=%lu",
		  __print_symbolic(__entry->cache, { 0, "bundles" }, { 1, "metadata" }),
		  __entry->before, __entry->after)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
