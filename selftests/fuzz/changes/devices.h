/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Changes of underlays and xfrm devices, and of the flows' routes through them, which are in
 * grammar.h.
 */
#ifndef FUZZ_CHANGES_DEVICES_H
#define FUZZ_CHANGES_DEVICES_H

#include "world.h"

int link_up(struct world *w, int place, int index, bool up);
int link_delete(struct world *w, int place, int index);
int link_number(struct world *w, int place, int index, uint16_t type, uint32_t value);
void underlay(struct world *w, int index, const char *name);
void vrf(struct world *w);
int xfrm_device(struct world *w, uint16_t flags, int place, int index, uint32_t if_id);
int static_device(struct world *w, int connection);
int flow_route(struct world *w, int flow, uint32_t if_id);

#endif
