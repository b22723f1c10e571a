/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Packets are built layer by layer, each of which may be wrong.
 */
#ifndef FUZZ_PACKETS_LAYERS_H
#define FUZZ_PACKETS_LAYERS_H

#include "packet.h"

/* Who a packet is between. */
enum place {
	OUTER,		/* from the wire to the receiver */
	INNER,		/* what comes through a tunnel */
	QUOTED,		/* what the receiver has sent, as an error quotes it */
	SENT,		/* what the sender transmits */
	PLACES,
};

void address4(uint8_t *to, enum place place, bool source);
void address6(uint8_t *to, enum place place, bool source);
void ip(struct packet *p, int depth, enum place place);

#endif
