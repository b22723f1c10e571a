// SPDX-License-Identifier: GPL-2.0
#include "generate.h"
#include "layers.h"

#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>

uint8_t to_receiver[6], to_tap[6] = { 2, 0, 0, 0, 0, 0x77 };

/* A segment of TCP that is to be cut into several, as it should be; the header says so. */
static void big_tcp(struct packet *p, struct virtio_net_hdr *vnet, enum place place)
{
	bool six = one_in(2);
	uint32_t at = p->len, tcp;

	add_random(p, six ? 40 : 20);
	p->bytes[at] = six ? 0x60 : 0x45;
	p->bytes[at + (six ? 6 : 9)] = IPPROTO_TCP;
	p->bytes[at + (six ? 7 : 8)] = 64;
	if (six) {
		address6(p->bytes + at + 8, place, true);
		address6(p->bytes + at + 24, place, false);
	} else {
		set16(p, at + 6, 0x4000);
		address4(p->bytes + at + 12, place, true);
		address4(p->bytes + at + 16, place, false);
	}
	tcp = p->len;
	add_random(p, 20);
	p->bytes[tcp + 12] = 0x50;
	p->bytes[tcp + 13] = 0x10;
	add_random(p, 1000 + fuzz_below(7000));
	if (six) {
		set16(p, at + 4, p->len - at - 40);
	} else {
		set16(p, at + 2, p->len - at);
		set_ipv4_checksum(p, at);
	}
	*vnet = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = six ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = tcp + 20,
		.gso_size = 400 + fuzz_below(1100),
		.csum_start = tcp,
		.csum_offset = 16,
	};
}

static void some_vnet(const struct packet *p, struct virtio_net_hdr *vnet)
{
	static const uint8_t kinds[] = {
		VIRTIO_NET_HDR_GSO_NONE, VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_UDP, VIRTIO_NET_HDR_GSO_TCPV6,
		VIRTIO_NET_HDR_GSO_UDP_L4, VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN,
	};

	*vnet = (struct virtio_net_hdr){
		.flags = one_in(8) ? fuzz_u32() : fuzz_below(3),
		.gso_type = one_in(16) ? fuzz_u32() : pick(kinds),
		.hdr_len = one_in(4) ? fuzz_number() : fuzz_below(p->len + 1),
		.gso_size = one_in(4) ? fuzz_number() : 1 + fuzz_below(1500),
		.csum_start = one_in(4) ? fuzz_number() : 14 + 4 * fuzz_below(20),
		.csum_offset = one_in(4) ? fuzz_number() : 2 * fuzz_below(9),
	};
}

/* Damage behind what is not to be damaged. */
static void mutate(struct packet *p, uint32_t from)
{
	uint32_t n, at, len;

	for (n = 1 + fuzz_below(4); n; n--) {
		if (p->len <= from + 4)
			return;
		/* Headers are what matters, and they are in front. */
		len = p->len - from;
		at = from + fuzz_below(one_in(2) && len > 80 ? 80 : len);
		switch (fuzz_below(6)) {
		case 0: p->bytes[at] ^= 1 << fuzz_below(8); break;
		case 1: p->bytes[at] = fuzz_number(); break;
		case 2: set16(p, at, fuzz_number()); break;
		case 3: p->len = at + 1; break;
		case 4:
			len = fuzz_below(24);
			if (at + len < p->len) {
				memmove(p->bytes + at, p->bytes + at + len, p->len - at - len);
				p->len -= len;
			}
			break;
		case 5: add_random(p, fuzz_below(64)); break;
		}
	}
}

/* What comes before the packet itself. */
uint32_t before(enum target target)
{
	return (target >= EXACT ? 2 : 0) + (target != FRAME && target != EXACT ? sizeof(struct virtio_net_hdr) : 0);
}

void generate(struct packet *p, enum target target)
{
	static const uint16_t protocols[] = { ETH_P_IP, ETH_P_IPV6, ETH_P_ARP, ETH_P_8021Q, ETH_P_MPLS_UC, 0, 1, 0x88b5 };
	enum place place = target >= EXACT ? SENT : OUTER;
	struct virtio_net_hdr vnet = {};
	uint32_t start, tcp_start = 0, front = before(target), skip = target >= EXACT ? 2 : 0;
	uint16_t protocol;

	p->len = 0;
	if (target < EXACT) {
		add(p, target == TAP ? to_tap : to_receiver, 6);
		add(p, "\2\0\0\0\0\1", 6);
		add(p, "\0\0", 2);
	}
	start = p->len;
	if (before(target) >= sizeof(vnet) && one_in(12)) {
		big_tcp(p, &vnet, one_in(2) || place == SENT ? SENT : OUTER);
		tcp_start = vnet.csum_start;
		if (one_in(8))
			some_vnet(p, &vnet);
	} else {
		/* What is for the other side of the receiver is forwarded, and leaves through a device. */
		ip(p, 0, place == OUTER && one_in(8) ? SENT : place);
		if (before(target) >= sizeof(vnet) && one_in(2))
			some_vnet(p, &vnet);
	}
	if (p->len == start)
		add_random(p, 1 + some_length());
	/*
	 * A checksum that is to be calculated later is where TCP has it. One that begins in an
	 * outer header stays behind when the kernel removes that by a state of the protocol IPIP,
	 * and it warns when the packet is sent on.
	 */
	if (target < EXACT && (!tcp_start || vnet.csum_start != tcp_start))
		vnet.flags &= ~VIRTIO_NET_HDR_F_NEEDS_CSUM;
	protocol = p->bytes[start] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP;
	if (one_in(24))
		protocol = one_in(2) ? pick(protocols) : fuzz_u32();
	if (one_in(3)) {
		mutate(p, start);
		if (p->len > start && p->bytes[start] >> 4 == 4 && !one_in(4))
			set_ipv4_checksum(p, start);
	}
	if (target < EXACT)
		set16(p, 12, protocol);
	memmove(p->bytes + front, p->bytes, p->len);
	p->len += front;
	if (skip)
		set16(p, 0, protocol);
	if (front > skip)
		memcpy(p->bytes + skip, &vnet, sizeof(vnet));
}
