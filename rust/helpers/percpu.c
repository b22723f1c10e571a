// SPDX-License-Identifier: GPL-2.0

#include <linux/percpu.h>
#include <linux/percpu-refcount.h>

/* Rust knows no __percpu: what it has is the address of a pointer of each CPU. */
#define POINTERS(pointers) ((void * __percpu *)(pointers))

__rust_helper void __percpu *rust_helper_alloc_percpu_pointer(void)
{
	return alloc_percpu(void *);
}

__rust_helper void *rust_helper_this_cpu_pointer(void __percpu *pointers)
{
	return this_cpu_read(*POINTERS(pointers));
}

/* NULL also for a CPU that is not possible. */
__rust_helper void *rust_helper_per_cpu_pointer(void __percpu *pointers, unsigned int cpu)
{
	return cpu_possible(cpu) ? READ_ONCE(*per_cpu_ptr(POINTERS(pointers), cpu)) : NULL;
}

__rust_helper void rust_helper_set_per_cpu_pointer(void __percpu *pointers, unsigned int cpu,
						   void *value)
{
	/* Others depend on the address to see what is there. */
	smp_store_release(per_cpu_ptr(POINTERS(pointers), cpu), value);
}

__rust_helper bool rust_helper_percpu_ref_tryget_live(struct percpu_ref *ref)
{
	return percpu_ref_tryget_live(ref);
}

__rust_helper void rust_helper_percpu_ref_put(struct percpu_ref *ref)
{
	percpu_ref_put(ref);
}

__rust_helper void __percpu *rust_helper_alloc_percpu_u64(size_t count)
{
	return __alloc_percpu(count * sizeof(u64), sizeof(u64));
}

__rust_helper void rust_helper_this_cpu_inc_u64(void __percpu *counters, size_t index)
{
	this_cpu_inc(((u64 __percpu *)counters)[index]);
}

/* 0 also for a CPU that is not possible. */
__rust_helper u64 rust_helper_per_cpu_u64(void __percpu *counters, size_t index, unsigned int cpu)
{
	return cpu_possible(cpu) ? READ_ONCE(per_cpu_ptr((u64 __percpu *)counters, cpu)[index]) : 0;
}
