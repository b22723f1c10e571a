/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What must hold: after each change the next packet of every flow is where a fresh look-up sends
 * it.
 *
 * The world "warm" has flows that never pause, so that a driver remembers what it knows of them. In
 * its twin "fresh", where the same changes are made, each packet has a port that none had before,
 * so that nothing can be known of it; nothing else tells the ports apart. Both send the same number
 * of packets, so states that count them agree, too.
 */
#ifndef FUZZ_CHANGES_ORACLE_H
#define FUZZ_CHANGES_ORACLE_H

#include "capture.h"
#include "grammar.h"

struct oracle {
	struct world warm, fresh;
	struct outcome outcomes[2][FLOWS], before[FLOWS];
	/* Of the fresh world: how often an outcome was another one than before. */
	unsigned long changed;
	int left;
	uint32_t step;
	/* What both have answered to the change, and the first flow that differs, or -1. */
	int errors[2], differs;
};

bool compare(struct oracle *o);
bool worlds_differ(struct oracle *o);
bool change_both(struct oracle *o, const struct change *change);
void oracle_open(struct oracle *o);
void oracle_close(struct oracle *o);
void print_difference(const struct oracle *o);

#endif
