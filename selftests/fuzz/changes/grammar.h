/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The changes that an administrator can make, as sentences: how they are drawn, printed and read.
 *
 * A verb is a sentence with places, "%I", each of which takes a word of the kind that the letter
 * names. A word that is there more than once is drawn more often.
 */
#ifndef FUZZ_CHANGES_GRAMMAR_H
#define FUZZ_CHANGES_GRAMMAR_H

#include "../shared/fuzz.h"

#define MAX_ARGS 9
#define MAX_WORDS 16

struct world;

/* What verbs do is in xfrm.c, growth.c, routes.c, devices.c, restore.c and oracle.c; they return an errno. */
typedef int (*apply_fn)(struct world *w, const uint8_t *args);

#define VERBS(verb) \
	verb(24, policy_update, "policy update %D if_id %I family %F selector %S priority %P ptype %T mark %M action %A tmpl %t") \
	verb(16, policy_delete, "policy delete %D if_id %I family %F selector %S ptype %T mark %M") \
	verb(1, policy_flush, "policy flush ptype %T") \
	verb(1, policy_default, "policy default out %A") \
	verb(3, policy_migrate, "policy migrate if_id %I family %F to %Y") \
	verb(24, state_add, "state add if_id %I kind %X number %N mark %M limit %L output-mark %O cpu %C") \
	verb(6, state_update, "state update if_id %I kind %X number %N limit %L new-if_id %I") \
	verb(12, state_delete, "state delete if_id %I kind %X number %N mark %M") \
	verb(1, state_flush, "state flush") \
	verb(4, state_expire, "state expire if_id %I kind %X number %N") \
	verb(3, state_migrate, "state migrate if_id %I kind %X number %N to %Y") \
	verb(1, growth, "table of states grows") \
	verb(18, route_replace, "route replace %V to %W from %s table %B via %G metric %m mtu %Q") \
	verb(16, route_delete, "route delete %V to %W from %s table %B metric %m") \
	verb(8, rule_add, "rule add %V pref %p %R table %B") \
	verb(8, rule_delete, "rule delete %V pref %p %R table %B") \
	verb(4, nexthop_replace, "nexthop replace %V id %n via %h") \
	verb(3, nexthop_group, "nexthop group %V members %H") \
	verb(2, nexthop_delete, "nexthop delete %V id %n") \
	verb(10, neighbour, "neigh %V dev %U %K") \
	verb(4, address, "addr %E %V dev %U") \
	verb(3, link_mtu, "link set %U mtu %Q") \
	verb(2, link_state, "link set %U %d") \
	verb(1, link_master, "link set %U master %r") \
	verb(1, link_rename, "link set %U name %i") \
	verb(1, link_move, "link set u2 netns inner") \
	verb(1, link_delete, "link delete u2") \
	verb(1, xfrm_state, "link set xfrm %I %d") \
	verb(1, xfrm_mtu, "link set xfrm %I mtu %Q") \
	verb(2, xfrm_change, "link change xfrm %I if_id %I") \
	verb(1, xfrm_recreate, "link recreate xfrm %I") \
	verb(1, external, "link recreate external %e") \
	verb(6, encap, "inner route %F of %I encap if_id %I") \
	verb(4, sysctl, "sysctl %y %b") \
	verb(4, cpu, "cpu %b") \
	verb(8, send_again, "send again") \
	verb(1, dwell, "go on for a second") \
	verb(4, restore, "restore")

#define DECLARE(weight, name, text) int do_##name(struct world *w, const uint8_t *args);
VERBS(DECLARE)

#define ONE_MORE(weight, name, text) + 1
enum { N_VERBS = VERBS(ONE_MORE) };

extern const struct verb {
	int weight;
	apply_fn apply;
	const char *text;
} verbs[N_VERBS];

struct kind {
	char letter;
	const char *words[MAX_WORDS];
};

struct change {
	const struct verb *verb;
	uint8_t args[MAX_ARGS];
};

const struct kind *kind_of(char letter);
struct change some_change(void);
struct change the_change(apply_fn apply);
const char *change_text(const struct change *change);
bool read_change(FILE *file, struct change *change);

#endif
