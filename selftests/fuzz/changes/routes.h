/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Changes of routes, rules, next hops, neighbours and addresses, which are in grammar.h.
 */
#ifndef FUZZ_CHANGES_ROUTES_H
#define FUZZ_CHANGES_ROUTES_H

#include "world.h"

#define CREATE (NLM_F_CREATE | NLM_F_REPLACE)

/* The places of %G. */
enum { VIA_U1, VIA_U2, VIA_BESIDE, VIA_GROUP, VIA_BLACKHOLE, VIA_UNREACHABLE, VIA_PROHIBIT, VIA_THROW };

/* Those that changes give to devices and routes. */
extern const uint16_t mtus[3];

int route(struct world *w, uint16_t type, bool six, int to, bool from_local, int table, int via,
		int metric, int mtu);
int neighbour(struct world *w, bool six, int index, const char *address, uint8_t mac, int state);
int address(struct world *w, int place, uint16_t type, bool six, int index, const char *text,
		uint8_t len);

#endif
