/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Routes and next hops with an encapsulation.
 */
#ifndef FUZZ_NETLINK_ROUTES_H
#define FUZZ_NETLINK_ROUTES_H

#include "sockets.h"

/* A table that nothing else is in. */
#define TABLE 100

bool dump_routes(int fd);
bool check_route(const struct nlmsghdr *header);
bool check_nexthop(const struct nlmsghdr *header);
bool sum_routes(uint64_t *sum);
bool is_route(const struct nlmsghdr *header);
bool has_hops(const struct nlmsghdr *header);

#endif
