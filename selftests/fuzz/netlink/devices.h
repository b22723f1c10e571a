/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All xfrm devices, wherever they are, and which if_ids can be had.
 */
#ifndef FUZZ_NETLINK_DEVICES_H
#define FUZZ_NETLINK_DEVICES_H

#include "sockets.h"

#include <linux/if.h>

/*
 * An xfrm device. The first line is what tells it from others, wherever it goes and whatever it is
 * called there. The namespaces are numbers, 0 that in which requests are sent.
 */
struct device {
	uint32_t if_id, link, link_netns;
	bool external;
	uint32_t netns, index;
	char name[IFNAMSIZ];
	/* As the message says it: -1 is none. */
	int link_netnsid;
};

struct state {
	uint32_t count;
	struct device devices[1024];
};

bool netns_by_id(uint32_t netns, int id, uint32_t *found);
bool look(struct state *state);
uint32_t missing(const struct state *in, const struct state *from, const struct device *list[2]);
bool check_free(const struct state *state, uint32_t if_id);

#endif
