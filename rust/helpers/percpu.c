// SPDX-License-Identifier: GPL-2.0

#include <linux/percpu.h>
#include <linux/percpu-refcount.h>

#include "helpers.h"

/* What is behind them: a pointer of each CPU. */
#define POINTERS(pointers) ((void * __percpu *)(pointers))

void __percpu *net_helper_alloc_percpu_pointer(void)
{
	return alloc_percpu(void *);
}

void *net_helper_this_cpu_pointer(void __percpu *pointers)
{
	return this_cpu_read(*POINTERS(pointers));
}

/* NULL for a CPU that is not possible, too. */
void *net_helper_per_cpu_pointer(void __percpu *pointers, unsigned int cpu)
{
	return cpu_possible(cpu) ? READ_ONCE(*per_cpu_ptr(POINTERS(pointers), cpu)) : NULL;
}

void net_helper_set_per_cpu_pointer(void __percpu *pointers, unsigned int cpu, void *value)
{
	/* Others depend on the address to see what is there. */
	smp_store_release(per_cpu_ptr(POINTERS(pointers), cpu), value);
}

bool net_helper_percpu_ref_tryget_live(struct percpu_ref *ref)
{
	return percpu_ref_tryget_live(ref);
}

void net_helper_percpu_ref_put(struct percpu_ref *ref)
{
	percpu_ref_put(ref);
}
