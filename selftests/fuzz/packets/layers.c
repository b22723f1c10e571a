// SPDX-License-Identifier: GPL-2.0
#include "layers.h"

#include <netinet/in.h>

/* States are numbered: owner * 64 + 32 for IPv6 + protocol * 8 + mode; see fuzz-packets.sh. */
#define SPI 0x2000
#define OWNERS 6

enum { ESP, AH, COMP };
enum { TUNNEL, TRANSPORT, BEET, IN_UDP };

#define PROTOCOL_AH 51
#define PROTOCOL_COMP 108
#define PROTOCOL_BEET 94

void address4(uint8_t *to, enum place place, bool source)
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

void address6(uint8_t *to, enum place place, bool source)
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

void ip(struct packet *p, int depth, enum place place)
{
	if (one_in(64))
		add_random(p, some_length());
	else if (one_in(2))
		ipv4(p, depth, place);
	else
		ipv6(p, depth, place);
}
