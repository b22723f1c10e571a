// SPDX-License-Identifier: GPL-2.0
/*
 * Packets as no host should send them, into the driver's ways of receiving and transmitting.
 *
 *	fuzz-packets run SEED COUNT WIRE RECEIVER SENDER	sends so many
 *	fuzz-packets print SEED COUNT				prints them as a file of cases has them
 *	fuzz-packets replay WIRE RECEIVER SENDER -- FILE...	sends those of files
 *
 * The namespaces are those of fuzz-packets.sh, which draws them. Packets are built layer by layer, each
 * of which may be wrong, and then damaged. The states of the receiver have null ciphers, so that
 * what is wrong inside gets past them.
 *
 * A case is the name of a target and the bytes for it: a frame; for those with "gso" in their name, a struct
 * virtio_net_hdr before it; for devices of the sender, before all of that the protocol.
 */
#define _GNU_SOURCE
#include "fuzz.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/udp.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define BATCH 64
#define PACKET_SIZE 10240

struct packet {
	uint8_t bytes[PACKET_SIZE];
	uint32_t len;
};

/* Who a packet is between. */
enum place {
	OUTER,		/* from the wire to the receiver */
	INNER,		/* what comes through a tunnel */
	QUOTED,		/* what the receiver has sent, as an error quotes it */
	SENT,		/* what the sender transmits */
	PLACES,
};

/* States are numbered: owner * 64 + 32 for IPv6 + protocol * 8 + mode; see fuzz-packets.sh. */
#define SPI 0x2000
#define OWNERS 6

enum { ESP, AH, COMP };
enum { TUNNEL, TRANSPORT, BEET, IN_UDP };

#define PROTOCOL_AH 51
#define PROTOCOL_COMP 108
#define PROTOCOL_BEET 94

/************************************************************************************************
 * Layers
 */

static void add(struct packet *p, const void *bytes, uint32_t len)
{
	if (p->len + len > PACKET_SIZE - 512)
		return;
	memcpy(p->bytes + p->len, bytes, len);
	p->len += len;
}

static void add_random(struct packet *p, uint32_t len)
{
	if (p->len + len > PACKET_SIZE - 512)
		return;
	/* Long ones need not be random. */
	fuzz_bytes(p->bytes + p->len, len < 64 ? len : 64);
	if (len > 64)
		memset(p->bytes + p->len + 64, fuzz_u32(), len - 64);
	p->len += len;
}

static void set16(struct packet *p, uint32_t at, uint16_t value)
{
	p->bytes[at] = value >> 8;
	p->bytes[at + 1] = value;
}

static void set32(struct packet *p, uint32_t at, uint32_t value)
{
	set16(p, at, value >> 16);
	set16(p, at + 2, value);
}

static uint16_t checksum(const uint8_t *bytes, uint32_t len, uint32_t sum)
{
	for (; len > 1; len -= 2, bytes += 2)
		sum += bytes[0] << 8 | bytes[1];
	if (len)
		sum += bytes[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static void set_ipv4_checksum(struct packet *p, uint32_t at)
{
	uint32_t len = (p->bytes[at] & 15) * 4;

	if (at + len > p->len)
		return;
	set16(p, at + 10, 0);
	set16(p, at + 10, checksum(p->bytes + at, len, 0));
}

static uint32_t some_length(void)
{
	static const uint16_t lengths[] = { 0, 1, 2, 3, 4, 7, 8, 11, 12, 19, 20, 28, 39, 40, 41, 64, 100, 200 };

	if (one_in(40))
		return 1200 + fuzz_below(300);
	if (one_in(60))
		return 4000 + fuzz_below(4500);
	return pick(lengths);
}

static void address4(uint8_t *to, enum place place, bool source)
{
	static const uint8_t beyond[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	uint8_t address[4] = { 192, 0, 2, source ? 1 : 2 };

	switch (place) {
	case QUOTED:
		address[3] = source ? 2 : 1;
		break;
	case INNER:
	case SENT:
		address[0] = 10;
		address[1] = source ? 1 : pick(beyond);
		address[2] = 0;
		address[3] = source ? 1 : 2;
		break;
	default:
	}
	if (one_in(50))
		fuzz_bytes(address, fuzz_below(5));
	memcpy(to, address, 4);
}

static void address6(uint8_t *to, enum place place, bool source)
{
	static const uint8_t beyond[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	uint8_t address[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = source ? 1 : 2 };

	switch (place) {
	case QUOTED:
		address[15] = source ? 2 : 1;
		break;
	case INNER:
	case SENT:
		memset(address, 0, 4);
		address[0] = 0xfd;
		address[3] = source ? 1 : pick(beyond);
		break;
	default:
	}
	if (one_in(50))
		fuzz_bytes(address, one_in(2) ? 16 : fuzz_below(3));
	memcpy(to, address, 16);
}

static void ip(struct packet *p, int depth, enum place place);

static uint8_t transport(struct packet *p)
{
	static const uint8_t others[] = { 0, 2, 33, 43, 44, 46, 47, 50, 51, 58, 59, 60, 89, 103, 108, 132, 136, 255 };
	uint32_t at = p->len;

	switch (fuzz_below(6)) {
	case 0: case 1: case 2:
		add_random(p, 8);
		set16(p, at + 2, one_in(8) ? fuzz_number() : 9);
		set16(p, at + 6, 0);
		add_random(p, some_length());
		set16(p, at + 4, one_in(20) ? fuzz_number() : p->len - at);
		return IPPROTO_UDP;
	case 3:
		add_random(p, 20);
		p->bytes[at + 12] = one_in(8) ? fuzz_u32() : 0x50;
		add_random(p, some_length());
		return IPPROTO_TCP;
	case 4:
		add_random(p, 8);
		p->bytes[at] = one_in(2) ? 8 : 128;
		p->bytes[at + 1] = 0;
		add_random(p, some_length());
		set16(p, at + 2, 0);
		set16(p, at + 2, checksum(p->bytes + at, p->len - at, 0));
		return one_in(2) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	default:
		add_random(p, some_length());
		return pick(others);
	}
}

static uint32_t some_spi(int protocol, bool six, int mode)
{
	if (one_in(24))
		return one_in(2) ? fuzz_number() : SPI + fuzz_below(OWNERS * 64);
	if (one_in(24))
		six = !six;
	return SPI + fuzz_below(OWNERS) * 64 + six * 32 + protocol * 8 + mode;
}

/* The end of what is inside is missing. */
static void cut(struct packet *p, uint32_t from)
{
	if (p->len > from && one_in(8))
		p->len = from + fuzz_below(one_in(2) ? 48 : p->len - from);
}

/* What a state of that mode has inside; returns the number of its protocol. */
static uint8_t inside(struct packet *p, int depth, bool six, int mode)
{
	uint32_t at = p->len;
	uint8_t protocol;

	switch (mode) {
	case TUNNEL:
	case IN_UDP:
		ip(p, depth + 1, INNER);
		protocol = p->len > at && p->bytes[at] >> 4 == 6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
		break;
	case BEET:
		protocol = PROTOCOL_BEET;
		if (one_in(2)) {
			/* What is left of the inner header's options. */
			add_random(p, 8 * (1 + fuzz_below(3)));
			p->bytes[at + 1] = one_in(4) ? fuzz_u32() : (p->len - at) / 8 - 1;
			p->bytes[at + 2] = one_in(4) ? fuzz_u32() : fuzz_below(5);
			p->bytes[at] = transport(p);
		} else {
			protocol = transport(p);
		}
		break;
	default:
		if (depth < 3 && one_in(6)) {
			ip(p, depth + 1, INNER);
			protocol = one_in(2) ? IPPROTO_IPIP : IPPROTO_IPV6;
		} else {
			protocol = transport(p);
		}
	}
	cut(p, at);
	if (one_in(32))
		protocol = one_in(2) ? IPPROTO_NONE : fuzz_u32();
	return protocol;
}

static uint8_t esp(struct packet *p, int depth, bool six, int mode)
{
	uint32_t at = p->len, pad;
	uint8_t next;

	add_random(p, 8);
	set32(p, at, some_spi(ESP, six, mode));
	if (one_in(40))
		return IPPROTO_ESP;
	next = inside(p, depth, six, mode);
	pad = -(p->len - at + 2) & 3;
	if (one_in(20))
		pad += 4 * fuzz_below(20);
	add_random(p, pad);
	add(p, &(uint8_t){ one_in(24) ? fuzz_u32() : pad }, 1);
	add(p, &next, 1);
	return IPPROTO_ESP;
}

static uint8_t ah(struct packet *p, int depth, bool six)
{
	static const uint8_t lengths[] = { 0, 1, 2, 3, 4, 8, 255 };
	int mode = fuzz_below(2);
	uint32_t at = p->len;

	/* Twelve bytes, no digest, and what makes it a multiple of eight. */
	add_random(p, 16);
	p->bytes[at + 1] = one_in(16) ? pick(lengths) : 2;
	set32(p, at + 4, some_spi(AH, six, mode));
	if (!one_in(40))
		p->bytes[at] = inside(p, depth, six, mode);
	return PROTOCOL_AH;
}

static uint8_t comp(struct packet *p, int depth, bool six)
{
	int mode = fuzz_below(2);
	uint32_t at = p->len, len;

	/* The header, and a block that deflate has stored as it is. */
	add_random(p, 9);
	set16(p, at + 2, some_spi(COMP, six, mode));
	if (one_in(40))
		return PROTOCOL_COMP;
	p->bytes[at] = inside(p, depth, six, mode);
	if (one_in(8))
		return PROTOCOL_COMP;
	len = p->len > at + 9 ? p->len - at - 9 : 0;
	p->bytes[at + 4] = 1;
	p->bytes[at + 5] = len;
	p->bytes[at + 6] = len >> 8;
	p->bytes[at + 7] = ~len;
	p->bytes[at + 8] = ~(len >> 8);
	return PROTOCOL_COMP;
}

/* An ICMP error about what the receiver has sent. */
static uint8_t icmp_error(struct packet *p, int depth, bool six)
{
	static const uint8_t kinds4[][2] = { { 3, 4 }, { 3, 4 }, { 5, 0 }, { 5, 1 }, { 3, 1 }, { 3, 3 }, { 11, 0 }, { 12, 0 } };
	static const uint8_t kinds6[][2] = { { 2, 0 }, { 2, 0 }, { 137, 0 }, { 1, 0 }, { 3, 0 }, { 4, 0 }, { 4, 1 } };
	const uint8_t *kind = six ? pick(kinds6) : pick(kinds4);
	uint32_t at = p->len, quoted;

	add_random(p, 8);
	memcpy(p->bytes + at, kind, 2);
	set16(p, at + 2, 0);
	if (!six && kind[0] == 3)
		set32(p, at + 4, fuzz_number() & 0xffff);
	else if (!six)
		address4(p->bytes + at + 4, OUTER, true);
	else
		set32(p, at + 4, fuzz_number());
	if (six && kind[0] == 137) {
		/* The new router, and the destination. */
		add_random(p, 32);
		address6(p->bytes + at + 8, OUTER, true);
		address6(p->bytes + at + 24, QUOTED, false);
		/* The option that holds the packet. */
		add(p, (uint8_t[]){ 4, one_in(8) ? fuzz_u32() : 7, 0, 0, 0, 0, 0, 0 }, 8);
	}
	quoted = p->len;
	ip(p, depth + 1, QUOTED);
	/* Errors quote the header and at least eight bytes. Some don't. */
	if (one_in(2) && p->len > quoted + 28)
		p->len = quoted + (one_in(2) ? 20 : 40) + fuzz_below(12);
	cut(p, quoted);
	if (!six)
		set16(p, at + 2, checksum(p->bytes + at, p->len - at, 0));
	return six ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
}

static uint8_t in_udp(struct packet *p, int depth, bool six)
{
	uint32_t at = p->len;

	add_random(p, 8);
	set16(p, at, 4500);
	set16(p, at + 2, 4500);
	esp(p, depth, six, IN_UDP);
	set16(p, at + 4, one_in(20) ? fuzz_number() : p->len - at);
	/* IPv6 wants a checksum, which is set where the addresses are known. */
	set16(p, at + 6, 0);
	return IPPROTO_UDP;
}

static uint8_t body(struct packet *p, int depth, enum place place, bool six)
{
	uint32_t at = p->len;

	if (depth > 3)
		return transport(p);
	if (place == INNER || place == SENT ? !one_in(4) : one_in(16))
		return transport(p);
	switch (fuzz_below(16)) {
	case 0: case 1: case 2: case 3: case 4: case 5:
		return esp(p, depth, six, fuzz_below(3));
	case 6: case 7: case 8:
		return ah(p, depth, six);
	case 9: case 10:
		return comp(p, depth, six);
	case 11:
		return in_udp(p, depth, six);
	case 12: case 13: case 14:
		if (place != QUOTED)
			return icmp_error(p, depth, six);
		return esp(p, depth, six, fuzz_below(3));
	default:
		ip(p, depth + 1, INNER);
		cut(p, at);
		return p->len > at && p->bytes[at] >> 4 == 6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	}
}

static void ipv4(struct packet *p, int depth, enum place place)
{
	static const uint8_t kinds[] = { 0, 1, 7, 68, 130, 131, 134, 136, 137, 148 };
	uint32_t at = p->len, options = 0;

	if (one_in(10)) {
		options = 4 * (1 + fuzz_below(10));
		if (one_in(4))
			options = 40;
	}
	add_random(p, 20 + options);
	p->bytes[at] = one_in(64) ? fuzz_u32() : 0x45 + options / 4;
	set16(p, at + 6, one_in(16) ? (fuzz_below(4) << 13 | (one_in(2) ? fuzz_below(8) : fuzz_u32() & 0x1fff)) :
		 fuzz_below(2) << 14);
	p->bytes[at + 8] = one_in(32) ? fuzz_below(3) : 64;
	address4(p->bytes + at + 12, place, true);
	address4(p->bytes + at + 16, place, false);
	if (options) {
		p->bytes[at + 20] = pick(kinds);
		p->bytes[at + 21] = one_in(3) ? fuzz_u32() : fuzz_below(options + 1);
		p->bytes[at + 22] = 4 * fuzz_below(4);
	}
	p->bytes[at + 9] = body(p, depth, place, false);
	set16(p, at + 2, one_in(40) ? fuzz_number() : p->len - at);
	if (!one_in(100))
		set_ipv4_checksum(p, at);
}

static void ipv6(struct packet *p, int depth, enum place place)
{
	static const uint8_t kinds[] = { 0, 43, 44, 60, 135, 139 };
	uint32_t at = p->len, next, upper, n, sum;

	add_random(p, 40);
	p->bytes[at] = one_in(64) ? fuzz_u32() : 0x60;
	p->bytes[at + 7] = one_in(32) ? fuzz_below(3) : 64;
	address6(p->bytes + at + 8, place, true);
	address6(p->bytes + at + 24, place, false);
	next = at + 6;
	if (one_in(8)) {
		for (n = 1 + fuzz_below(3); n; n--) {
			uint8_t kind = pick(kinds);
			uint32_t header = p->len, words = kind == 44 ? 0 : fuzz_below(3);

			p->bytes[next] = kind;
			next = header;
			add_random(p, 8 * (words + 1));
			if (header == p->len)
				break;
			p->bytes[header + 1] = one_in(10) ? fuzz_u32() : words;
			if (kind == 44)
				set16(p, header + 2, one_in(2) ? fuzz_below(16) : fuzz_u32());
			else if (!one_in(4)) {
				/* One option, and padding. */
				p->bytes[header + 2] = one_in(4) ? fuzz_u32() : 1;
				p->bytes[header + 3] = one_in(8) ? fuzz_u32() : 8 * words + 4;
			}
		}
	}
	upper = p->len;
	p->bytes[next] = body(p, depth, place, true);
	set16(p, at + 4, one_in(40) ? fuzz_number() : p->len - at - 40);
	n = p->bytes[next] == IPPROTO_UDP ? 6 : p->bytes[next] == IPPROTO_ICMPV6 ? 2 : 0;
	if (n && p->len >= upper + 8 && !one_in(40)) {
		sum = (uint16_t)~checksum(p->bytes + at + 8, 32, 0);
		sum += p->len - upper + p->bytes[next];
		set16(p, upper + n, 0);
		set16(p, upper + n, checksum(p->bytes + upper, p->len - upper, sum));
	}
}

static void ip(struct packet *p, int depth, enum place place)
{
	if (one_in(64))
		add_random(p, some_length());
	else if (one_in(2))
		ipv4(p, depth, place);
	else
		ipv6(p, depth, place);
}

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

/************************************************************************************************
 * Targets
 */

enum target { FRAME, FRAME_GSO, TAP, EXACT, STATIC, EXTERNAL, METADATA, TARGETS };

static const char *const names[TARGETS] = {
	[FRAME] = "wire", [FRAME_GSO] = "wire-gso", [TAP] = "tap-gso", [EXACT] = "exact",
	[STATIC] = "static-gso", [EXTERNAL] = "external-gso", [METADATA] = "metadata-gso",
};

static int target_fd[TARGETS], target_index[TARGETS];
static unsigned long accepted[TARGETS], sent;
static uint8_t to_receiver[6], to_tap[6] = { 2, 0, 0, 0, 0, 0x77 };

/* What comes before the packet itself. */
static uint32_t before(enum target target)
{
	return (target >= EXACT ? 2 : 0) + (target != FRAME && target != EXACT ? sizeof(struct virtio_net_hdr) : 0);
}

static void generate(struct packet *p, enum target target)
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
	 * A checksum that is to be calculated later is where TCP has it. One that begins in an outer header
	 * stays behind when the kernel removes that by a state of the protocol IPIP, and it warns when
	 * the packet is sent on.
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

/* A frame in pieces, each of which becomes a fragment of its own. */
static void send_tap(const struct packet *p)
{
	struct iovec pieces[16];
	uint32_t at = 0, n, len;

	for (n = 0; n < ARRAY_SIZE(pieces) && at < p->len; n++) {
		/* The kernel wants the Ethernet header in the first. */
		len = n ? 1 + p->bytes[(at * 7) % p->len] % 60 : sizeof(struct virtio_net_hdr) + 14;
		if (n == ARRAY_SIZE(pieces) - 1 || len > p->len - at)
			len = p->len - at;
		pieces[n] = (struct iovec){ (void *)(p->bytes + at), len };
		at += len;
	}
	accepted[TAP] += writev(target_fd[TAP], pieces, n) > 0;
}

static void send_packets(struct packet packets[], enum target target, uint32_t count)
{
	struct sockaddr_ll addresses[BATCH] = {};
	struct mmsghdr messages[BATCH] = {};
	struct iovec vectors[BATCH];
	uint32_t i, skip = target >= EXACT ? 2 : 0;
	int got;

	sent += count;
	for (i = 0; i < count; i++) {
		if (target == TAP) {
			send_tap(&packets[i]);
			continue;
		}
		addresses[i] = (struct sockaddr_ll){
			.sll_family = AF_PACKET, .sll_ifindex = target_index[target],
			.sll_protocol = skip ? *(uint16_t *)packets[i].bytes : htons(ETH_P_IP),
		};
		vectors[i] = (struct iovec){ packets[i].bytes + skip, packets[i].len - skip };
		messages[i].msg_hdr = (struct msghdr){
			.msg_iov = &vectors[i], .msg_iovlen = 1, .msg_name = &addresses[i],
			.msg_namelen = sizeof(addresses[i]),
		};
	}
	if (target == TAP)
		return;
	for (i = 0; i < count; i += got) {
		got = sendmmsg(target_fd[target], messages + i, count - i, 0);
		if (got > 0)
			accepted[target] += got;
		else
			got = 1;
	}
}

static int enter(const char *netns)
{
	int fd = netns_open(netns);

	if (setns(fd, CLONE_NEWNET))
		err(1, "setns");
	close(fd);
	return 0;
}

static int index_of(int fd, const char *name)
{
	struct ifreq request = {};

	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, SIOCGIFINDEX, &request))
		err(1, "%s", name);
	return request.ifr_ifindex;
}

static void open_packet(enum target target, const char *device, uint32_t mark)
{
	int one = 1, fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(1, "socket");
	target_fd[target] = fd;
	target_index[target] = index_of(fd, device);
	if (target != FRAME && target != EXACT && setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)))
		err(1, "PACKET_VNET_HDR");
	if (target < EXACT && setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)))
		err(1, "PACKET_QDISC_BYPASS");
	if (mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)))
		err(1, "SO_MARK");
}

static void open_tap(void)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_NAPI | IFF_NAPI_FRAGS };
	int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	strcpy(request.ifr_name, "tap");
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request))
		err(1, "tap");
	request.ifr_hwaddr.sa_family = 1;
	memcpy(request.ifr_hwaddr.sa_data, to_tap, 6);
	if (ioctl(control, SIOCSIFHWADDR, &request))
		err(1, "SIOCSIFHWADDR");
	request.ifr_flags = IFF_UP;
	if (ioctl(control, SIOCSIFFLAGS, &request))
		err(1, "SIOCSIFFLAGS");
	close(control);
	target_fd[TAP] = fd;
}

/* Sockets that take ESP in UDP. */
static void open_encapsulated(int family)
{
	struct sockaddr_in6 address = { .sin6_family = family };
	int encap = UDP_ENCAP_ESPINUDP, fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1;

	/* The port is in the same place in both families. */
	address.sin6_port = htons(4500);
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, family == AF_INET6 ? sizeof(address) : sizeof(struct sockaddr_in)) ||
	    setsockopt(fd, IPPROTO_UDP, UDP_ENCAP, &encap, sizeof(encap)))
		err(1, "ESP in UDP");
}

static void prepare(char *netns[])
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), control;
	struct ifreq request = { .ifr_name = "under" };

	enter(netns[0]);
	open_packet(FRAME, "under", 0);
	open_packet(FRAME_GSO, "under", 0);
	enter(netns[1]);
	control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ioctl(control, SIOCGIFHWADDR, &request))
		err(1, "SIOCGIFHWADDR");
	memcpy(to_receiver, request.ifr_hwaddr.sa_data, 6);
	open_tap();
	open_encapsulated(AF_INET);
	open_encapsulated(AF_INET6);
	enter(netns[2]);
	open_packet(EXACT, "exact", 0);
	open_packet(STATIC, "static", 0);
	open_packet(EXTERNAL, "external", 0);
	open_packet(METADATA, "external", 6);
	if (setns(here, CLONE_NEWNET))
		err(1, "setns");
}

/* Calls done for each batch of packets for one target. */
static void chunk(uint64_t seed, uint32_t count, void (*done)(struct packet packets[], enum target target, uint32_t n))
{
	static const enum target often[] = {
		FRAME, FRAME, FRAME, FRAME, FRAME, FRAME, FRAME_GSO, TAP, EXACT, EXACT, STATIC, STATIC, EXTERNAL,
		METADATA,
	};
	static struct packet packets[BATCH];
	uint32_t n;

	fuzz_seed(seed);
	while (count) {
		enum target target = pick(often);

		for (n = 0; n < BATCH && n < count; n++)
			generate(&packets[n], target);
		done(packets, target, n);
		count -= n;
	}
}

static void print_packets(struct packet packets[], enum target target, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		printf("%s ", names[target]);
		print_bytes(packets[i].bytes, packets[i].len);
	}
}

static void replay(const char *name)
{
	static struct packet packet;
	FILE *file = fopen(name, "re");
	char word[32];
	ssize_t len;
	int target;

	if (!file)
		err(1, "%s", name);
	while ((len = read_case(file, word, sizeof(word), packet.bytes, PACKET_SIZE)) >= 0) {
		packet.len = len;
		for (target = 0; target < TARGETS && strcmp(word, names[target]); target++)
			;
		if (target == TARGETS || packet.len <= before(target))
			errx(1, "%s: not a case for %s", name, word);
		/* Frames are for whom they find. */
		if (target < EXACT && packet.len >= before(target) + 6)
			memcpy(packet.bytes + before(target), target == TAP ? to_tap : to_receiver, 6);
		send_packets(&packet, target, 1);
	}
	fclose(file);
}

static void report(void)
{
	int i;

	printf("sent=%lu", sent);
	for (i = 0; i < TARGETS; i++)
		printf(" %s=%lu", names[i], accepted[i]);
	putchar('\n');
}

int main(int argc, char *argv[])
{
	unsigned long known = complaints();

	if (argc == 4 && !strcmp(argv[1], "print")) {
		chunk(strtoull(argv[2], NULL, 0), strtoul(argv[3], NULL, 0), print_packets);
		return 0;
	}
	if (argc == 7 && !strcmp(argv[1], "run")) {
		prepare(argv + 4);
		chunk(strtoull(argv[2], NULL, 0), strtoul(argv[3], NULL, 0), send_packets);
	} else if (argc >= 6 && !strcmp(argv[1], "replay") && !strcmp(argv[5], "--")) {
		prepare(argv + 2);
		for (argv += 6; *argv; argv++)
			replay(*argv);
	} else {
		errx(2, "usage: fuzz-packets run SEED COUNT WIRE RECEIVER SENDER | print SEED COUNT | replay WIRE RECEIVER SENDER -- FILE...");
	}
	/* What waits in a queue is handled meanwhile. */
	usleep(100000);
	report();
	if (complaints() != known)
		errx(1, "the kernel complained");
	return 0;
}
