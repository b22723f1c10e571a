// SPDX-License-Identifier: GPL-2.0
/*
 * Changes that an administrator makes while packets flow. Each packet has to go where a look-up at
 * that moment would send it.
 *
 *	fuzz-changes run SEED COUNT	makes so many
 *	fuzz-changes print SEED COUNT	prints some as a file of changes has them
 *	fuzz-changes replay FILE...	makes those of files
 *
 * The worlds in which they are made are in world.h, the changes in grammar.h, and what must hold in
 * oracle.h. A difference is shortened to the changes that it takes. With FUZZ_KEEP_GOING=1 in the
 * environment those after it are looked for, too, and counted.
 */
#include "grammar.h"
#include "oracle.h"
#include "shrink.h"
#include "world.h"

#include <time.h>

/* Changes of a chunk, which begins with new worlds. */
#define CHUNK 250

/* How many differences that end with the same verb are shortened. */
#define SHORTENED 2

static struct oracle oracle;
static struct sequence sequence;

static unsigned long made, refused, changed;
static unsigned long differences[N_VERBS], shortened[N_VERBS], vanished;

static bool keep_going(void)
{
	const char *value = getenv("FUZZ_KEEP_GOING");

	return value && *value == '1';
}

static void print_sequence(void)
{
	for (uint32_t i = 0; i < sequence.count; i++)
		printf("#     %s\n", change_text(&sequence.changes[i]));
	print_difference(&oracle);
}

/*
 * A change was followed by a difference. Whether it was one that comes again, or lasted: what is
 * remembered wrongly is wrong for the next packet, too, and what was not, may have come between a
 * packet and its counterpart. One that lasted, but does not come again, may also be one of the
 * worlds: then look-ups in the flows' own world agree with them. That is said, but is no excuse,
 * since what was sent wrongly before may have made the worlds different.
 */
static bool difference(bool lasted, bool apart)
{
	size_t verb = sequence.changes[sequence.count - 1].verb - verbs;
	bool again;

	if (shortened[verb] >= SHORTENED) {
		differences[verb]++;
		return true;
	}
	again = shrink(&oracle, &sequence);
	if (again) {
		printf("# these do:\n");
		print_sequence();
		verb = sequence.changes[sequence.count - 1].verb - verbs;
		shortened[verb]++;
	} else {
		printf("# it did not come again, %s\n", !lasted ? "and had not lasted" :
		       apart ? "and the worlds have become different ones" : "but had lasted");
	}
	if (!again && !lasted) {
		vanished++;
		return false;
	}
	differences[verb]++;
	return true;
}

/* Draws changes, and makes them. Whether there was no difference. */
static bool chunk(uint64_t seed, uint32_t count)
{
	bool good = true, lasted = false, apart = false;

	fuzz_seed(seed);
	sequence.count = 0;
	oracle_open(&oracle);
	while (good && count--) {
		/* Where hardly anything leaves, there is little to be seen. */
		struct change change = oracle.left < FLOWS / 2 && one_in(2) ? the_change(do_restore) : some_change();

		sequence.changes[sequence.count++] = change;
		good = change_both(&oracle, &change);
		made++;
		refused += !!oracle.errors[0];
	}
	changed += oracle.changed;
	if (!good) {
		printf("# FUZZ_SEED=%llu, after %u changes:\n", (unsigned long long)seed, sequence.count);
		print_difference(&oracle);
		lasted = !compare(&oracle);
		apart = lasted && worlds_differ(&oracle);
	}
	oracle_close(&oracle);
	return good || !difference(lasted, apart);
}

static void print_counts(void)
{
	printf("# %lu changes, %lu of them refused; a flow went another way %lu times\n", made, refused, changed);
	if (vanished)
		printf("# %lu differences did not come again\n", vanished);
	for (size_t i = 0; i < N_VERBS; i++)
		if (differences[i])
			printf("# %lu differences after: %s\n", differences[i], verbs[i].text);
}

static bool run(uint64_t seed, uint32_t count)
{
	time_t reported = time(NULL);
	bool good = true;
	uint32_t n;

	for (; count; count -= n, seed++) {
		n = count < CHUNK ? count : CHUNK;
		good &= chunk(seed, n);
		if (!good && !keep_going())
			break;
		/* After a crash nobody else can say how far it came. */
		if (time(NULL) - reported >= 20) {
			reported = time(NULL);
			printf("# %lu changes, next FUZZ_SEED=%llu\n", made, (unsigned long long)seed + 1);
		}
	}
	print_counts();
	return good;
}

/* Makes the changes of a file; they have to show something. */
static bool replay(const char *name)
{
	FILE *file = fopen(name, "re");
	bool good;

	if (!file)
		err(1, "%s", name);
	for (sequence.count = 0; read_change(file, &sequence.changes[sequence.count]);)
		if (++sequence.count == ARRAY_SIZE(sequence.changes))
			errx(2, "%s: too many changes", name);
	fclose(file);
	good = !differs(&oracle, &sequence);
	printf("# %s: %s after %u changes, a flow went another way %lu times\n", basename(name),
	       good ? "no difference" : "a DIFFERENCE", sequence.count, oracle.changed);
	if (!good)
		print_sequence();
	if (good && !oracle.changed)
		errx(1, "%s: no flow has gone another way", basename(name));
	return good;
}

int main(int argc, char *argv[])
{
	bool good = true;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 4 && !strcmp(argv[1], "run")) {
		good = run(strtoull(argv[2], NULL, 0), strtoul(argv[3], NULL, 0));
	} else if (argc == 4 && !strcmp(argv[1], "print")) {
		fuzz_seed(strtoull(argv[2], NULL, 0));
		for (uint32_t n = strtoul(argv[3], NULL, 0); n; n--) {
			struct change change = some_change();

			puts(change_text(&change));
		}
	} else if (argc >= 3 && !strcmp(argv[1], "replay")) {
		for (char **file = argv + 2; *file; file++)
			good &= replay(*file);
	} else {
		errx(2, "usage: fuzz-changes run SEED COUNT | print SEED COUNT | replay FILE...");
	}
	if (!good)
		errx(1, "packets have gone where a look-up would not have sent them");
	return 0;
}
