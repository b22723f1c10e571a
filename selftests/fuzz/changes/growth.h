/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The hash table of states, which grows a moment after there are more of them than it has places.
 * That turns round the order of states that are as good as each other, of which the first is taken.
 */
#ifndef FUZZ_CHANGES_GROWTH_H
#define FUZZ_CHANGES_GROWTH_H

#include "world.h"

/*
 * More than the states that a chunk of changes can add. So the table grows by itself in neither
 * world: their states may differ in number, because the kernel frees those that IPComp adds for its
 * tunnels when it finds time, and only one of them would grow.
 */
#define PLACES 256

void grow_table(struct world *w, uint32_t to);

#endif
