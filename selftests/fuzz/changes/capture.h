/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A packet of each flow, and where it went.
 */
#ifndef FUZZ_CHANGES_CAPTURE_H
#define FUZZ_CHANGES_CAPTURE_H

#include "world.h"

/* Where a packet went, as the wire shows it. */
struct outcome {
	uint8_t left, depth;		/* how often; through how many transforms */
	uint8_t family, fragment;
	uint32_t ifindex, spi[4];
	uint8_t ethernet[12], from[16], to[16];
};

int capture_open(void);
void read_captured(struct world *w, struct outcome *outcomes, uint32_t step);
void send_all(struct world *w, bool new_port, struct outcome *outcomes, uint32_t step);

#endif
