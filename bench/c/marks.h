/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Marks in the code that is measured, for the plugins, which watch for them: instructions with
 * which the processor does nothing.
 */
#ifndef MARKS_H
#define MARKS_H

#include <sys/cdefs.h>

/* Around what is counted. */
#define MARK_START	0x5ca1ab1e
#define MARK_STOP	0x5ca1ab1f
/* Around all that has to be seen, which is more: what is in caches when the counting starts. */
#define MARK_WATCH	0x5ca1ab20
#define MARK_REST	0x5ca1ab21

static __always_inline void mark(int number)
{
	asm volatile("nopl %c0(%%rax)" : : "i"(number) : "memory");
}

#endif
