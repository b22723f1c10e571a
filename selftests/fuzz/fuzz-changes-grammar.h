/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The changes that an administrator can make, as sentences: how they are drawn, printed and read.
 *
 * A verb is a sentence with places, "%I", each of which takes a word of the kind that the letter names. A
 * word that is there more than once is drawn more often.
 */
#ifndef FUZZ_CHANGES_GRAMMAR_H
#define FUZZ_CHANGES_GRAMMAR_H

#include "fuzz.h"

#define MAX_ARGS 9
#define MAX_WORDS 16

struct world;

/* What verbs do is in fuzz-changes-xfrm.h and fuzz-changes-route.h; they return an errno. */
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

#define DECLARE(weight, name, text) static int do_##name(struct world *w, const uint8_t *args);
VERBS(DECLARE)

static const struct verb {
	int weight;
	apply_fn apply;
	const char *text;
} verbs[] = {
#define ENTRY(weight, name, text) { weight, do_##name, text },
	VERBS(ENTRY)
};

static const struct kind {
	char letter;
	const char *words[MAX_WORDS];
} kinds[] = {
	{ 'A', { "allow", "block", "allow" } },
	{ 'B', { "main", "100", "77" } },
	{ 'C', { "any", "0", "1", "any", "any" } },
	{ 'D', { "out", "in", "fwd", "out", "out", "out" } },
	{ 'E', { "add", "delete", "add" } },
	{ 'F', { "4", "6" } },
	{ 'G', { "u1", "u2", "beside", "group", "blackhole", "unreachable", "prohibit", "throw", "u1", "u2", "group" } },
	{ 'H', { "1", "2", "1/2", "1/2" } },
	{ 'I', { "4", "6", "14", "16" } },
	{ 'K', { "permanent", "failed", "moved", "deleted", "permanent", "failed" } },
	{ 'L', { "none", "soft-packets", "hard-packets", "soft-time", "hard-time", "none", "none" } },
	{ 'M', { "any", "0", "1", "any" } },
	{ 'N', { "0", "1", "2" } },
	{ 'O', { "0", "1", "0", "0" } },
	{ 'P', { "1", "500", "1000", "2000" } },
	{ 'Q', { "1500", "1400", "1290" } },
	{ 'R', { "all", "fwmark", "from", "to", "iif", "suppress" } },
	{ 'S', { "any", "net", "sport", "udp", "tcp", "any" } },
	{ 'T', { "main", "sub", "main" } },
	{ 'U', { "u1", "u2" } },
	{ 'V', { "4", "6" } },
	{ 'W', { "peer", "net", "default", "peer" } },
	{ 'X', { "tunnel", "second", "transport", "comp", "tunnel" } },
	{ 'Y', { "peer", "elsewhere", "elsewhere" } },
	{ 'b', { "0", "1" } },
	{ 'd', { "up", "down", "up" } },
	{ 'e', { "here", "inner" } },
	{ 'h', { "u1", "u2", "blackhole" } },
	{ 'i', { "a", "b" } },
	{ 'm', { "0", "10" } },
	{ 'n', { "1", "2", "group" } },
	{ 'p', { "100", "200" } },
	{ 'r', { "red", "none" } },
	{ 's', { "any", "local", "any" } },
	{ 't', { "esp", "second", "twice", "comp", "none", "esp" } },
	{ 'y', { "net/ipv4/fib_multipath_hash_policy", "net/ipv4/fib_multipath_use_neigh", "net/ipv6/fib_multipath_hash_policy",
		 "net/ipv4/fib_multipath_hash_seed", "net/ipv4/conf/all/disable_xfrm", "net/ipv6/conf/all/disable_policy" } },
};

struct change {
	const struct verb *verb;
	uint8_t args[MAX_ARGS];
};

static const struct kind *kind_of(char letter)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].letter == letter)
			return &kinds[i];
	errx(2, "the grammar has no %%%c", letter);
}

static int word_of(const struct kind *kind, const char *word)
{
	for (int i = 0; i < MAX_WORDS && kind->words[i]; i++)
		if (!strcmp(kind->words[i], word))
			return i;
	return -1;
}

/* A word drawn; of those that are there twice the first, so that functions can count on its number. */
static uint8_t some_word(const struct kind *kind)
{
	int n = 0;

	while (n < MAX_WORDS && kind->words[n])
		n++;
	return word_of(kind, kind->words[fuzz_below(n)]);
}

static struct change some_change(void)
{
	struct change change = {};
	int total = 0, n = 0, at;
	const char *c;

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		total += verbs[i].weight;
	at = fuzz_below(total);
	for (change.verb = verbs; at >= change.verb->weight; change.verb++)
		at -= change.verb->weight;
	for (c = change.verb->text; (c = strchr(c, '%')); c++)
		change.args[n++] = some_word(kind_of(c[1]));
	return change;
}

static struct change the_change(apply_fn apply)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (verbs[i].apply == apply)
			return (struct change){ .verb = &verbs[i] };
	errx(2, "no such verb");
}

static const char *change_text(const struct change *change)
{
	static char text[256];
	const char *c = change->verb->text;
	size_t len = 0;
	int n = 0;

	for (; *c && len < sizeof(text) - 64; c++)
		if (*c == '%')
			len += sprintf(text + len, "%s", kind_of(*++c)->words[change->args[n++]]);
		else
			text[len++] = *c;
	text[len] = 0;
	return text;
}

static bool change_is(struct change *change, const struct verb *verb, const char *line)
{
	const char *c = verb->text;
	int n = 0, word;

	change->verb = verb;
	for (; *c; c++) {
		char given[64];
		size_t len;

		if (*c != '%') {
			if (*c != *line++)
				return false;
			continue;
		}
		len = strcspn(line, " ");
		if (len >= sizeof(given))
			return false;
		snprintf(given, sizeof(given), "%.*s", (int)len, line);
		word = word_of(kind_of(*++c), given);
		if (word < 0)
			return false;
		change->args[n++] = word;
		line += len;
	}
	return !*line;
}

/* The next change of a file, one a line; what begins with # is a comment. */
static bool read_change(FILE *file, struct change *change)
{
	char line[512];

	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = 0;
		if (!*line || *line == '#')
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
			if (change_is(change, &verbs[i], line))
				return true;
		errx(2, "not a change: %s", line);
	}
	return false;
}

#endif
