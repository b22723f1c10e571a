/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A world: a gateway's namespace and one inside it, with xfrm devices, two underlays and flows.
 * There are two of them, with the same devices, addresses and numbers.
 *
 *	    inner                      here
 *	+-----------+    +------------------------------+
 *	| s14   s16 |    |  s4   s6          u1 --------|-- 192.0.2.9, .8      \   203.0.113.2
 *	|   external or external             u2 --------|-- 198.51.100.9       /   2001:db8:f::2
 *	+-----------+    |     red (VRF, table 77)      |
 *	                 +------------------------------+
 *
 * The connections 4 and 14 have an IPv4 underlay, 6 and 16 an IPv6 one. Each has four flows: IPv4
 * and IPv6, through a static device and through an external one. The underlays are dummies, so that
 * what is sent has left when sendto() returns.
 */
#ifndef FUZZ_CHANGES_WORLD_H
#define FUZZ_CHANGES_WORLD_H

#include "../shared/fuzz.h"
#include "../shared/message.h"

#include <net/if.h>

enum { HERE, INNER };

#define CONNECTIONS 4
#define FLOWS (4 * CONNECTIONS)

/* A flow is a number of three parts. */
#define FLOW(connection, six, external) ((connection) | (six) << 2 | (external) << 3)
#define CONNECTION_OF(flow) ((flow) & 3)
#define SIX_OF(flow) ((flow) >> 2 & 1)
#define EXTERNAL_OF(flow) ((flow) >> 3 & 1)

/* So is a connection, by the place of its if_id in the grammar. */
extern const uint32_t if_ids[CONNECTIONS];
#define OUTER_SIX(connection) ((connection) & 1)
#define PLACE(connection) ((connection) >> 1)

/* Indices of devices. */
enum { U1 = 11, U2, RED, STATIC = 21, EXTERNAL = 23 };
#define DEVICE_OF(flow) (EXTERNAL_OF(flow) ? EXTERNAL : STATIC + OUTER_SIX(CONNECTION_OF(flow)))

#define SOURCE_PORT 3000

struct world {
	/* Whether each of its packets is the first of a flow. */
	bool fresh;
	/* Where the external device is: a namespace of links has one only. */
	int external;
	int ns[2], rtnl[2], xfrm, capture, senders[2][FLOWS];
};

/* Of both families. */
extern const char *const local_address[2], *const second_address[2], *const peer_address[2];
extern const char *const elsewhere_address[2], *const gateway[3][2], *const inner_address[2];

/* By which flows are spread over the members of a group, of both families. */
#define HASH_SEED "net/ipv4/fib_multipath_hash_seed"
#define FIRST_SEED "1234"

int family_of(bool six);
uint32_t address_len(bool six);
void to_address(void *to, bool six, const char *text);
void put_address(struct message *m, uint16_t type, bool six, const char *text);
void put_u32(struct message *m, uint16_t type, uint32_t value);
void put_text(struct message *m, uint16_t type, const char *text);
uint32_t nest_begin(struct message *m, uint16_t type);
int request(int sock, struct message *m);
void enter(int ns);
int set_sysctl(const char *name, const char *value);
const char *destination(int flow);
int place_of(const struct world *w, int flow);
void world_open(struct world *w, bool fresh);
void world_close(struct world *w);

#endif
