/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a request about a device may have changed.
 */
#ifndef FUZZ_NETLINK_CHANGED_H
#define FUZZ_NETLINK_CHANGED_H

#include "devices.h"

/* The C driver takes a link that does not exist, too; netlink.py is about that. */
extern bool any_link;

bool check_link(const struct nlmsghdr *header, int error, const struct state *before,
		const struct state *after);

#endif
