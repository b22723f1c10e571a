// SPDX-License-Identifier: GPL-2.0
#include "packet.h"

void add(struct packet *p, const void *bytes, uint32_t len)
{
	if (p->len + len > PACKET_SIZE - 512)
		return;
	memcpy(p->bytes + p->len, bytes, len);
	p->len += len;
}

void add_random(struct packet *p, uint32_t len)
{
	if (p->len + len > PACKET_SIZE - 512)
		return;
	/* Long ones need not be random. */
	fuzz_bytes(p->bytes + p->len, len < 64 ? len : 64);
	if (len > 64)
		memset(p->bytes + p->len + 64, fuzz_u32(), len - 64);
	p->len += len;
}

void set16(struct packet *p, uint32_t at, uint16_t value)
{
	p->bytes[at] = value >> 8;
	p->bytes[at + 1] = value;
}

void set32(struct packet *p, uint32_t at, uint32_t value)
{
	set16(p, at, value >> 16);
	set16(p, at + 2, value);
}

uint16_t checksum(const uint8_t *bytes, uint32_t len, uint32_t sum)
{
	for (; len > 1; len -= 2, bytes += 2)
		sum += bytes[0] << 8 | bytes[1];
	if (len)
		sum += bytes[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

void set_ipv4_checksum(struct packet *p, uint32_t at)
{
	uint32_t len = (p->bytes[at] & 15) * 4;

	if (at + len > p->len)
		return;
	set16(p, at + 10, 0);
	set16(p, at + 10, checksum(p->bytes + at, len, 0));
}

uint32_t some_length(void)
{
	static const uint16_t lengths[] = { 0, 1, 2, 3, 4, 7, 8, 11, 12, 19, 20, 28, 39, 40, 41, 64, 100, 200 };

	if (one_in(40))
		return 1200 + fuzz_below(300);
	if (one_in(60))
		return 4000 + fuzz_below(4500);
	return pick(lengths);
}
