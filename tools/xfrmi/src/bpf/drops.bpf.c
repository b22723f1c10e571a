// SPDX-License-Identifier: GPL-2.0
/*
 * Tells of packets of XFRM interfaces that are dropped. The tracepoint of the Rust driver says best
 * why; the kernel's own has the drops of the C driver, and what others drop of the interfaces'.
 */
#include "connection.h"
#include <bpf/bpf_tracing.h>

/* How much of a packet user space gets: the IP header, some of its extensions, and the ports. */
#define CAUGHT 128

/* What xfrm_lookup_with_ifid has found; an error is negative. */
enum {
	LOOKUP_NONE,		/* it was not called */
	LOOKUP_NO_POLICY,
	LOOKUP_OTHER_IF_ID,	/* states of another connection */
	LOOKUP_FOUND,
	LOOKUP_LOOP,		/* a bundle that leads to the device itself */
};

/* As src/drops/event.rs reads it. */
struct event {
	__u64 time;
	__u64 location;
	__u32 ifindex;
	__u32 if_id;
	__u32 reason;
	__s32 lookup;
	__u32 length;
	__u8 is_known;
	__u8 is_out;
	__u8 is_cause;
	__u8 caught;
	char device[16];
	__u8 packet[CAUGHT];
};

/* The namespace whose drops are told. */
const volatile struct {
	__u32 netns;
} config = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} lost SEC(".maps");

struct looked_up {
	__s32 result;
	__u32 ifindex;
};

/* The last look-up of a CPU whose packet is neither sent nor dropped yet. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct looked_up);
} lookups SEC(".maps");

/* The packet of a CPU that the Rust driver is about to free, and that has been told of. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} told SEC(".maps");

static __always_inline bool is_here(const struct net_device *dev)
{
	return BPF_CORE_READ(dev, nd_net.net, ns.inum) == config.netns;
}

static __always_inline bool is_xfrm(const struct net_device *dev)
{
	const struct rtnl_link_ops *ops;
	char kind[5] = {};

	if (!dev || BPF_CORE_READ(dev, type) != ARPHRD_NONE)
		return false;
	ops = BPF_CORE_READ(dev, rtnl_link_ops);
	if (!ops || bpf_probe_read_kernel(kind, sizeof(kind), BPF_CORE_READ(ops, kind)))
		return false;
	return kind[0] == 'x' && kind[1] == 'f' && kind[2] == 'r' && kind[3] == 'm' && !kind[4];
}

static __always_inline struct event *new_event(const struct net_device *dev,
					       const struct sk_buff *skb)
{
	const unsigned char *start, *end;
	struct event *event;
	__u32 zero = 0;
	__u64 *count;
	__s64 caught;

	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		count = bpf_map_lookup_elem(&lost, &zero);
		if (count)
			__sync_fetch_and_add(count, 1);
		return NULL;
	}
	__builtin_memset(event, 0, __builtin_offsetof(struct event, packet));
	event->time = bpf_ktime_get_ns();
	event->ifindex = BPF_CORE_READ(dev, ifindex);
	BPF_CORE_READ_INTO(&event->device, dev, name);
	event->length = BPF_CORE_READ(skb, len);

	start = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, network_header);
	end = BPF_CORE_READ(skb, data) + event->length - BPF_CORE_READ(skb, data_len);
	caught = end - start;
	if (caught > CAUGHT)
		caught = CAUGHT;
	barrier_var(caught);
	if (caught > 0 && caught <= CAUGHT && !bpf_probe_read_kernel(event->packet, caught, start))
		event->caught = caught;
	return event;
}

/* drop(dev, skb, if_id, link, out, result) of the Rust driver. */
SEC("raw_tp/drop")
int cause(struct bpf_raw_tracepoint_args *ctx)
{
	const struct net_device *dev = (const void *)ctx->args[0];
	const struct sk_buff *skb = (const void *)ctx->args[1];
	struct event *event;
	__u32 zero = 0;
	__u64 *last;

	last = bpf_map_lookup_elem(&told, &zero);
	if (last)
		*last = ctx->args[1];
	if (!is_here(dev))
		return 0;
	event = new_event(dev, skb);
	if (!event)
		return 0;
	event->is_cause = true;
	event->if_id = ctx->args[2];
	event->is_known = event->if_id != 0;
	event->is_out = ctx->args[4] & 1;
	event->reason = ctx->args[5];
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/* The C driver does not say why it drops a packet, but what it has looked up before does. */
SEC("fexit/xfrm_lookup_with_ifid")
int BPF_PROG(lookup, struct net *net, struct dst_entry *original, void *flow, void *sk, int flags,
	     __u32 if_id)
{
	const struct xfrm_state *state;
	const struct dst_entry *dst;
	struct looked_up *last;
	__u32 zero = 0;
	__u64 result;

	/* One without a connection is not of an XFRM interface. */
	if (!if_id || bpf_get_func_ret(ctx, &result))
		return 0;
	last = bpf_map_lookup_elem(&lookups, &zero);
	if (!last)
		return 0;
	if (result >= (__u64)-4095) {
		last->result = result;
		return 0;
	}
	dst = (const struct dst_entry *)result;
	state = BPF_CORE_READ(dst, xfrm);
	if (!state)
		last->result = LOOKUP_NO_POLICY;
	else if (BPF_CORE_READ(state, if_id) != if_id)
		last->result = LOOKUP_OTHER_IF_ID;
	else
		last->result = LOOKUP_FOUND;
	last->ifindex = BPF_CORE_READ(dst, dev, ifindex);
	return 0;
}

/* kfree_skb(skb, location, reason, rx_sk) */
SEC("raw_tp/kfree_skb")
int kernel(struct bpf_raw_tracepoint_args *ctx)
{
	const struct sk_buff *skb = (const void *)ctx->args[0];
	const struct dst_entry *dst = dst_of(skb);
	const struct net_device *dev = BPF_CORE_READ(skb, dev), *route_dev = NULL;
	bool is_of_metadata = dst && is_metadata(dst), is_received;
	struct looked_up *last, found = {};
	__u32 zero = 0, if_id = 0;
	struct event *event;
	__u64 *known;

	known = bpf_map_lookup_elem(&told, &zero);
	if (known && *known == ctx->args[0]) {
		*known = 0;
		return 0;
	}
	if (dst && !is_of_metadata)
		route_dev = BPF_CORE_READ(dst, dev);
	/* Until IP has handed it to the device, a packet has that of its route only. */
	if (!is_xfrm(dev)) {
		dev = route_dev;
		if (!is_xfrm(dev))
			return 0;
	}
	last = bpf_map_lookup_elem(&lookups, &zero);
	if (last) {
		found = *last;
		last->result = LOOKUP_NONE;
	}
	if (!is_here(dev))
		return 0;
	event = new_event(dev, skb);
	if (!event)
		return 0;
	event->location = ctx->args[1];
	event->reason = ctx->args[2];
	event->lookup = found.result;
	if (found.result == LOOKUP_FOUND && found.ifindex == event->ifindex)
		event->lookup = LOOKUP_LOOP;

	/* What is forwarded from one tunnel into another has both a security path and a route. */
	is_received = if_id_of_secpath(skb, &if_id);
	event->is_out = route_dev == dev || !is_received;
	if (event->is_out)
		event->is_known = if_id_of_dst(dst, &if_id);
	else
		event->is_known = is_received;
	event->if_id = event->is_known ? if_id : 0;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char _license[] SEC("license") = "GPL";
