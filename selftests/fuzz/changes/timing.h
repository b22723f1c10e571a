/* SPDX-License-Identifier: GPL-2.0 */
/*
 * When things are done, where the two worlds would differ by the time that passes between them.
 */
#ifndef FUZZ_CHANGES_TIMING_H
#define FUZZ_CHANGES_TIMING_H

#include <stdbool.h>
#include <stdint.h>

/* All times are in nanoseconds. */
#define MILLISECOND 1000000ll

int64_t second(void);
bool same_second(int64_t duration);
void note_timer(void);
void wait_for_timers(void);

#endif
