/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Of many changes the few that show a difference.
 */
#ifndef FUZZ_CHANGES_SHRINK_H
#define FUZZ_CHANGES_SHRINK_H

#include "oracle.h"

/* A sequence, each change of which is followed by a packet of every flow. */
struct sequence {
	uint32_t count;
	struct change changes[4096];
};

bool differs(struct oracle *o, struct sequence *s);
bool shrink(struct oracle *o, struct sequence *s);

#endif
