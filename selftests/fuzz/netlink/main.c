// SPDX-License-Identifier: GPL-2.0
/*
 * Requests as no program should make them: about devices of kind xfrm, and about routes and next
 * hops with an encapsulation of type xfrm.
 *
 *	fuzz-netlink run SEED COUNT NETNS...	sends so many
 *	fuzz-netlink print SEED COUNT		prints them as a file of cases has them
 *	fuzz-netlink replay NETNS... -- FILE...	sends those of files
 *
 * grammar.c makes them. All of them are sent in the first namespace; the others have the nsids 1,
 * 2, ... there. What must hold is in oracle.h.
 */
#include "changed.h"
#include "grammar.h"
#include "links.h"
#include "oracle.h"

/* Messages of a chunk. */
#define CHUNK 10000

static bool chunk(uint64_t seed, uint32_t count)
{
	static struct message batch[BATCH];
	uint32_t n = 0, size;

	fuzz_seed(seed);
	oracle_begin();
	while (count) {
		size = batch_size();
		for (n = 0; n < size && n < count;)
			if (!generate(&batch[n++]))
				break;
		count -= n;
		if (n == 1) {
			if (!watch(batch))
				return false;
			continue;
		}
		send_many(batch, n);
	}
	return healthy();
}

static void print(uint64_t seed, uint32_t count)
{
	static struct message m;

	fuzz_seed(seed);
	while (count) {
		uint32_t n, size = batch_size();

		for (n = 0; n < size && count; n++, count--) {
			bool go_on = generate(&m);

			print_bytes(m.bytes, m.len);
			if (!go_on) {
				count--;
				break;
			}
		}
	}
}

static bool replay(const char *name)
{
	static struct message m;
	FILE *file = fopen(name, "re");
	ssize_t len;
	bool good = true;

	if (!file)
		err(1, "%s", name);
	oracle_begin();
	printf("# %s:", basename(name));
	while (good && (len = read_case(file, NULL, 0, m.bytes, MESSAGE_SIZE - 64)) >= 0) {
		m.len = len;
		good = watch(&m);
		printf(" %s", last_error ? strerrorname_np(last_error) : "ok");
	}
	putchar('\n');
	fclose(file);
	return good && healthy();
}

int main(int argc, char *argv[])
{
	unsigned long before;
	uint64_t seed, first;
	uint32_t count, n, progress = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc >= 4 && !strcmp(argv[1], "print")) {
		netns_count = 2;
		print(strtoull(argv[2], NULL, 0), strtoul(argv[3], NULL, 0));
		return 0;
	}
	any_link = getenv("DRIVER") && !strcmp(getenv("DRIVER"), "c");
	before = complaints();
	if (argc >= 5 && !strcmp(argv[1], "run")) {
		first = seed = strtoull(argv[2], NULL, 0);
		count = strtoul(argv[3], NULL, 0);
		prepare(argv + 4);
		if (!reset())
			errx(1, "%s", problem);
		for (; count; count -= n, seed++) {
			n = count < CHUNK ? count : CHUNK;
			if (!chunk(seed, n))
				errx(1, "%s, after %lu messages, with FUZZ_SEED=%llu FUZZ_COUNT=%u", problem, sent,
				     (unsigned long long)seed, n);
			if (complaints() != before)
				errx(1, "the kernel complained, with FUZZ_SEED=%llu FUZZ_COUNT=%u",
				     (unsigned long long)seed, n);
			/* After a crash nobody else can say how far it came. */
			if ((seed - first) / 20 > progress) {
				progress = (seed - first) / 20;
				printf("# %lu messages, next FUZZ_SEED=%llu\n", sent, (unsigned long long)seed + 1);
			}
		}
		printf("# %lu messages, %lu not refused; of %lu watched ones %lu\n", sent, accepted, watched,
		       watched_accepted);
		return 0;
	}
	if (argc >= 5 && !strcmp(argv[1], "replay")) {
		char **file = argv + 2;

		prepare(argv + 2);
		while (*file && strcmp(*file, "--"))
			file++;
		if (!*file || !reset())
			errx(1, "%s", problem);
		while (*++file) {
			if (!replay(*file))
				errx(1, "%s: %s", *file, problem);
			if (complaints() != before)
				errx(1, "%s: the kernel complained", *file);
		}
		return 0;
	}
	errx(2, "usage: fuzz-netlink run SEED COUNT NETNS... | print SEED COUNT | replay NETNS... -- FILE...");
}
