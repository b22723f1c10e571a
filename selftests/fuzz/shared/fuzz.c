// SPDX-License-Identifier: GPL-2.0
#include "fuzz.h"

uint64_t fuzz_state;

/* Scrambled, because chunks that follow each other have seeds that do. */
void fuzz_seed(uint64_t seed)
{
	seed += 0x9e3779b97f4a7c15;
	seed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9;
	seed = (seed ^ (seed >> 27)) * 0x94d049bb133111eb;
	fuzz_state = (seed ^ (seed >> 31)) | 1;
}

/* Numbers at which code decides. */
uint32_t fuzz_number(void)
{
	static const uint32_t edges[] = {
		0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 20, 40, 63, 64, 127, 128, 255, 256, 576, 1280, 1500,
		0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
	};

	return one_in(4) ? fuzz_u32() : pick(edges);
}

void fuzz_bytes(void *to, size_t len)
{
	uint8_t *bytes = to;
	uint32_t four;

	for (; len >= sizeof(four); len -= sizeof(four), bytes += sizeof(four)) {
		four = fuzz_u32();
		memcpy(bytes, &four, sizeof(four));
	}
	four = fuzz_u32();
	memcpy(bytes, &four, len);
}

/*
 * The next case of a file: a line of bytes in hexadecimal, behind a word if the caller has a place
 * for it. "7a*100" is a hundred of them, and what begins with # is a comment. Returns how many
 * bytes, -1 at the end.
 */
ssize_t read_case(FILE *file, char *word, size_t word_size, uint8_t *bytes, size_t size)
{
	char line[1 << 16], *at;
	size_t len;

	while (fgets(line, sizeof(line), file)) {
		at = line + strspn(line, " \t\n");
		if (!*at || *at == '#')
			continue;
		if (word) {
			len = strcspn(at, " \t\n");
			snprintf(word, word_size, "%.*s", (int)len, at);
			at += len;
		}
		for (len = 0; len < size; len++) {
			unsigned int times;
			int used = 0;

			if (sscanf(at, " %2hhx%n", &bytes[len], &used) != 1)
				break;
			at += used;
			if (sscanf(at, "*%u%n", &times, &used) != 1)
				continue;
			at += used;
			if (!times || times > size - len)
				break;
			memset(bytes + len, bytes[len], times);
			len += times - 1;
		}
		if (*(at + strspn(at, " \t\n")) && *(at + strspn(at, " \t\n")) != '#')
			errx(1, "not a case: %s", line);
		return len;
	}
	return -1;
}

void print_bytes(const uint8_t *bytes, size_t len)
{
	while (len--)
		printf("%02x", *bytes++);
	putchar('\n');
}

static unsigned long number_in(const char *path)
{
	char text[32] = {};
	int file = open(path, O_RDONLY | O_CLOEXEC);

	if (file < 0 || read(file, text, sizeof(text) - 1) <= 0)
		err(1, "%s", path);
	close(file);
	return strtoul(text, NULL, 10);
}

/* How often the kernel has found something wrong with itself. KASAN counts, lockdep does not. */
unsigned long complaints(void)
{
	return number_in("/sys/kernel/warn_count") + number_in("/sys/kernel/oops_count");
}

/* A network namespace of ip netns. */
int netns_open(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", path);
	return fd;
}
