// SPDX-License-Identifier: GPL-2.0
/*
 * Copies packets of XFRM interfaces to user space, and passes them on as they are.
 *
 * What the kernel has beside a packet is read as its memory: the kfunc of the driver would keep the
 * module from being removed.
 */
#include <linux/pkt_cls.h>
#include "connection.h"

/* A packet is copied in pieces, since the verifier wants to know how long they are. */
#define PIECE 2048
#define PIECES 128

/* In a device's value: it is a static one, and the lower half is its if_id. */
#define STATIC (1ULL << 32)

/* As src/dump/event.rs reads it; the packet follows. */
struct event {
	__u64 time;
	__u32 ifindex;
	__u32 if_id;
	__u32 length;
	__u32 caught;
	__u8 is_known;
	__u8 is_out;
	__u8 unused[6];
};

const volatile struct {
	__u32 snaplen;
	/* Whether packets of all connections are wanted. */
	__u32 all;
} config = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 23);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} lost SEC(".maps");

/* Devices, by their indices. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u64);
} devices SEC(".maps");

/* The connections whose packets are wanted. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u32);
} wanted SEC(".maps");

/*
 * Where a packet's IP header is. On its way in, what is left of the link layer that the encrypted
 * packet came by may be before it.
 */
static __always_inline __u32 start_of(struct __sk_buff *skb)
{
	const struct sk_buff *packet = (const struct sk_buff *)skb;
	const unsigned char *header;
	__s64 start;

	header = BPF_CORE_READ(packet, head) + BPF_CORE_READ(packet, network_header);
	start = header - BPF_CORE_READ(packet, data);
	return start < 0 || start > skb->len ? 0 : start;
}

static __always_inline bool copy(struct __sk_buff *skb, __u32 start, struct bpf_dynptr *to,
				 __u32 caught)
{
	__u32 offset = 0, left;
	void *piece;
	int i;

	for (i = 0; i < PIECES && offset < caught; i++, offset += PIECE) {
		piece = bpf_dynptr_data(to, sizeof(struct event) + offset, PIECE);
		if (!piece)
			return false;
		left = caught - offset;
		if (left > PIECE)
			left = PIECE;
		barrier_var(left);
		if (left == 0 || left > PIECE || bpf_skb_load_bytes(skb, start + offset, piece, left))
			return false;
	}
	return true;
}

static __always_inline void tell(struct __sk_buff *skb, bool is_out)
{
	struct event event = { .is_out = is_out };
	struct bpf_dynptr to;
	__u32 zero = 0, start, size;
	__u64 *device, *count;

	event.ifindex = skb->ifindex;
	start = start_of(skb);
	event.length = skb->len - start;
	device = bpf_map_lookup_elem(&devices, &event.ifindex);
	if (!device)
		return;
	if (*device & STATIC) {
		event.if_id = *device;
		event.is_known = true;
	} else {
		/* The context of such a program is the packet's sk_buff, for whoever reads memory. */
		event.is_known = if_id_of_dst(dst_of((const struct sk_buff *)skb), &event.if_id);
	}
	if (!config.all && (!event.is_known || !bpf_map_lookup_elem(&wanted, &event.if_id)))
		return;

	event.time = bpf_ktime_get_ns();
	event.caught = event.length;
	if (event.caught > config.snaplen)
		event.caught = config.snaplen;
	if (event.caught > PIECES * PIECE)
		event.caught = PIECES * PIECE;
	size = sizeof(event) + (event.caught + PIECE - 1) / PIECE * PIECE;
	if (bpf_ringbuf_reserve_dynptr(&events, size, 0, &to) ||
	    bpf_dynptr_write(&to, 0, &event, sizeof(event), 0) || !copy(skb, start, &to, event.caught)) {
		bpf_ringbuf_discard_dynptr(&to, 0);
		count = bpf_map_lookup_elem(&lost, &zero);
		if (count)
			__sync_fetch_and_add(count, 1);
		return;
	}
	bpf_ringbuf_submit_dynptr(&to, 0);
}

SEC("classifier/ingress")
int ingress(struct __sk_buff *skb)
{
	tell(skb, false);
	return TCX_NEXT;
}

SEC("classifier/egress")
int egress(struct __sk_buff *skb)
{
	tell(skb, true);
	return TCX_NEXT;
}

char _license[] SEC("license") = "GPL";
