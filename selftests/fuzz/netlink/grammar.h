/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests about devices of kind xfrm, and about routes and next hops with an encapsulation of type
 * xfrm: they are made of a grammar, and then damaged.
 */
#ifndef FUZZ_NETLINK_GRAMMAR_H
#define FUZZ_NETLINK_GRAMMAR_H

#include "../shared/message.h"

bool generate(struct message *m);
uint32_t batch_size(void);

#endif
