/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A packet, and how bytes get into it.
 */
#ifndef FUZZ_PACKETS_PACKET_H
#define FUZZ_PACKETS_PACKET_H

#include "../shared/fuzz.h"

#define PACKET_SIZE 10240

struct packet {
	uint8_t bytes[PACKET_SIZE];
	uint32_t len;
};

void add(struct packet *p, const void *bytes, uint32_t len);
void add_random(struct packet *p, uint32_t len);
void set16(struct packet *p, uint32_t at, uint16_t value);
void set32(struct packet *p, uint32_t at, uint32_t value);
uint16_t checksum(const uint8_t *bytes, uint32_t len, uint32_t sum);
void set_ipv4_checksum(struct packet *p, uint32_t at);
uint32_t some_length(void);

#endif
