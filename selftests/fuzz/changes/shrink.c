// SPDX-License-Identifier: GPL-2.0
#include "shrink.h"

/* Makes the changes in new worlds. Whether there is a difference; the sequence then ends with it. */
bool differs(struct oracle *o, struct sequence *s)
{
	uint32_t n = 0;
	bool good = true;

	oracle_open(o);
	while (good && n < s->count)
		good = change_both(o, &s->changes[n++]);
	oracle_close(o);
	if (!good)
		s->count = n;
	return !good;
}

static struct sequence last_of(const struct sequence *s, uint32_t count)
{
	struct sequence last = { .count = count };

	memcpy(last.changes, s->changes + s->count - count, count * sizeof(last.changes[0]));
	return last;
}

static struct sequence without(const struct sequence *s, uint32_t at, uint32_t count)
{
	struct sequence rest = { .count = s->count - count };

	memcpy(rest.changes, s->changes, at * sizeof(rest.changes[0]));
	memcpy(rest.changes + at, s->changes + at + count, (rest.count - at) * sizeof(rest.changes[0]));
	return rest;
}

/* Shortens a sequence that differs at its end. Returns false if it does not do so again. */
bool shrink(struct oracle *o, struct sequence *s)
{
	static struct sequence shorter;
	bool again = false;
	uint32_t n;

	/* Mostly the last few will do. */
	for (n = 1; n < s->count && !again; n *= 4) {
		shorter = last_of(s, n);
		again = differs(o, &shorter);
	}
	if (again)
		*s = shorter;
	else if (!differs(o, s))
		return false;
	/* Halves, quarters, ... and single ones are left out. */
	for (n = s->count / 2; n; n /= 2) {
		for (uint32_t at = 0; at + n <= s->count && s->count > 1;) {
			shorter = without(s, at, n);
			if (differs(o, &shorter))
				*s = shorter;
			else
				at += n;
		}
	}
	/* The worlds' last state is what is printed. */
	return differs(o, s);
}
