/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What must hold when requests are sent as grammar.c makes them:
 *
 *  - the driver serves plain requests after each chunk;
 *  - there are no more devices than have been created;
 *  - what is dumped can be parsed, and has what an xfrm device has; no two devices of a namespace
 *    have the same if_id;
 *  - a request that was accepted has done what it says and nothing else, one that was refused has
 *    done nothing: for that, all devices are looked at before and after each request that is sent
 *    by itself. The bytes that were sent are parsed here once more, so this holds for what is
 *    damaged, too;
 *  - an if_id can be had if and only if no device has it.
 */
#ifndef FUZZ_NETLINK_ORACLE_H
#define FUZZ_NETLINK_ORACLE_H

#include "sockets.h"

/* Messages of one sendmsg at most. */
#define BATCH 32

/* How many messages, and how many of them were not refused; the same of those that were sent by themselves. */
extern unsigned long sent, accepted, watched, watched_accepted;

/* The error, 0 or positive, of the last message that was sent. */
extern int last_error;

void oracle_begin(void);
/* Sends several at once, without looking. */
void send_many(struct message batch[], uint32_t count);

bool watch(struct message *m);
bool healthy(void);

#endif
