/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How packets get to their targets. The namespaces are those of fuzz-packets.sh, which draws them.
 */
#ifndef FUZZ_PACKETS_TARGETS_H
#define FUZZ_PACKETS_TARGETS_H

#include "generate.h"

/* How many are sent at once. */
#define BATCH 64

/* What the targets are called in a file of cases. */
extern const char *const names[TARGETS];

/* How many packets were sent, and how many of them were taken. */
extern unsigned long accepted[TARGETS], sent;

void send_packets(struct packet packets[], enum target target, uint32_t count);
void prepare(char *netns[]);

#endif
