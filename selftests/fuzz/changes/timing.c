// SPDX-License-Identifier: GPL-2.0
#include "timing.h"
#include "../shared/fuzz.h"

#include <time.h>

#define SECOND 1000000000ll

static int64_t nanoseconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * SECOND + now.tv_nsec;
}

static void pause_for(int64_t duration)
{
	usleep(duration / 1000);
}

/*
 * States note the second in which they were added, and the younger ones are preferred: it should be
 * the same in both worlds. This is the clock that they take it from.
 */
int64_t second(void)
{
	return nanoseconds(CLOCK_REALTIME_COARSE) / SECOND;
}

/* Waits for the next second if there is not so much left of this one. Whether it did. */
bool same_second(int64_t duration)
{
	int64_t left = SECOND - nanoseconds(CLOCK_REALTIME_COARSE) % SECOND;

	if (left > duration)
		return false;
	pause_for(left + 5 * MILLISECOND);
	return true;
}

/* A state that lives for a second is looked at by its timer a second after it was added, in either world. */
static struct {
	int64_t at[64];
	unsigned int next;
} timers;

void note_timer(void)
{
	timers.at[timers.next++ % ARRAY_SIZE(timers.at)] = nanoseconds(CLOCK_MONOTONIC) + SECOND;
}

/* Waits until none of these timers runs within a moment that is long enough for both worlds. */
void wait_for_timers(void)
{
	bool waited;

	do {
		waited = false;
		for (unsigned int i = 0; i < ARRAY_SIZE(timers.at); i++) {
			int64_t left = timers.at[i] - nanoseconds(CLOCK_MONOTONIC);

			if (left > 40 * MILLISECOND || left < -15 * MILLISECOND)
				continue;
			pause_for(left + 20 * MILLISECOND);
			waited = true;
		}
	} while (waited);
}
