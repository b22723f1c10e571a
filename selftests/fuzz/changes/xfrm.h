/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Changes of policies and states, which are in grammar.h; and what a world begins with.
 */
#ifndef FUZZ_CHANGES_XFRM_H
#define FUZZ_CHANGES_XFRM_H

#include "world.h"

#define SPI_FIRST 0x1000
#define SPI_LAST 0x13ff

void restore_xfrm(struct world *w);

#endif
