/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Netlink messages: how they are written, and how the kernel reads them.
 */
#ifndef FUZZ_SHARED_MESSAGE_H
#define FUZZ_SHARED_MESSAGE_H

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdint.h>

#define MESSAGE_SIZE 2048

struct message {
	uint8_t bytes[MESSAGE_SIZE] __attribute__((aligned(4)));
	uint32_t len;
};

struct span {
	const uint8_t *bytes;
	uint32_t len;
};

/* What is said of an xfrm device. */
struct xfrm {
	bool is_xfrm, has_data, has_if_id, has_link, external;
	uint32_t if_id, link;
};

void put(struct message *m, uint16_t type, const void *payload, uint32_t len);
void nest_end(struct message *m, uint32_t at);
uint32_t message_begin(struct message *m, uint16_t type, uint16_t flags);
void message_add(struct message *m, const void *bytes, uint32_t len);
void message_end(struct message *m);
bool attribute(struct span in, uint16_t type, struct span *out);
bool number(struct span in, uint16_t type, uint32_t *value);
bool well_formed(struct span in);
struct span attributes(const struct nlmsghdr *header, uint32_t fixed);
struct xfrm xfrm_of(struct span attrs);

#endif
