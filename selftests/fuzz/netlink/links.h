/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Links in general: what is said of them can be parsed, a device can be made and deleted, and none
 * are left.
 */
#ifndef FUZZ_NETLINK_LINKS_H
#define FUZZ_NETLINK_LINKS_H

#include "sockets.h"

/* The indices of the dummies, and those that devices under test may ask for. */
#define DUMMY 10
#define DUMMIES 2
#define INDEX 100
#define INDICES 24

/* Devices that requests don't name are made in a group, so that one request removes them. */
#define GROUP 7

struct devices {
	uint32_t count, others;
	/* Those that a request of the group would not remove. */
	uint32_t index[1024];
	struct xfrm xfrm;
};

bool see_link(const struct nlmsghdr *header, void *arg);
void link_request(struct message *m, uint16_t type, uint16_t flags, int index, const char *name);
bool dump_links(int fd, struct devices *devices);
bool plain(void);
bool reset(void);

#endif
