// SPDX-License-Identifier: GPL-2.0
#include "grammar.h"

const struct verb verbs[N_VERBS] = {
#define ENTRY(weight, name, text) { weight, do_##name, text },
	VERBS(ENTRY)
};

static const struct kind kinds[] = {
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

const struct kind *kind_of(char letter)
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

struct change some_change(void)
{
	struct change change = {};
	int total = 0, n = 0, at;
	const char *c;

	for (size_t i = 0; i < N_VERBS; i++)
		total += verbs[i].weight;
	at = fuzz_below(total);
	for (change.verb = verbs; at >= change.verb->weight; change.verb++)
		at -= change.verb->weight;
	for (c = change.verb->text; (c = strchr(c, '%')); c++)
		change.args[n++] = some_word(kind_of(c[1]));
	return change;
}

struct change the_change(apply_fn apply)
{
	for (size_t i = 0; i < N_VERBS; i++)
		if (verbs[i].apply == apply)
			return (struct change){ .verb = &verbs[i] };
	errx(2, "no such verb");
}

const char *change_text(const struct change *change)
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
bool read_change(FILE *file, struct change *change)
{
	char line[512];

	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = 0;
		if (!*line || *line == '#')
			continue;
		for (size_t i = 0; i < N_VERBS; i++)
			if (change_is(change, &verbs[i], line))
				return true;
		errx(2, "not a change: %s", line);
	}
	return false;
}
