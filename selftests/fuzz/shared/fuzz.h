/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fuzzers share: numbers that a seed repeats, and the cases that are kept as text.
 *
 * A run is made of chunks. Each begins from the same state, and its seed is the seed of the run
 * plus its number, so that a chunk that fails can be repeated without those before it.
 */
#ifndef FUZZ_SHARED_FUZZ_H
#define FUZZ_SHARED_FUZZ_H

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

extern uint64_t fuzz_state;

/* xorshift64* */
static inline uint32_t fuzz_u32(void)
{
	fuzz_state ^= fuzz_state >> 12;
	fuzz_state ^= fuzz_state << 25;
	fuzz_state ^= fuzz_state >> 27;
	return (fuzz_state * 0x2545f4914f6cdd1d) >> 32;
}

static inline uint32_t fuzz_below(uint32_t n)
{
	return ((uint64_t)fuzz_u32() * n) >> 32;
}

/* True once in n times. */
static inline bool one_in(uint32_t n)
{
	return !fuzz_below(n);
}

#define pick(array) ((array)[fuzz_below(ARRAY_SIZE(array))])

void fuzz_seed(uint64_t seed);
uint32_t fuzz_number(void);
void fuzz_bytes(void *to, size_t len);
ssize_t read_case(FILE *file, char *word, size_t word_size, uint8_t *bytes, size_t size);
void print_bytes(const uint8_t *bytes, size_t len);
unsigned long complaints(void);
int netns_open(const char *name);

#endif
