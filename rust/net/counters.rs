// SPDX-License-Identifier: GPL-2.0

//! Counters that each CPU has of its own.
//!
//! To count costs no more than to add one to memory that no other CPU writes. To read adds up what
//! all CPUs have counted. Both may be done in any context; counters are made in process context.
//!
//! C header: [`include/linux/percpu.h`](srctree/include/linux/percpu.h)
//!
//! # Examples
//!
//! ```
//! use crate::net::counters::Counters;
//!
//! let counters = Counters::<3>::new()?;
//! counters.count(1);
//! counters.count(1);
//! assert_eq!(counters.sum(1), 2);
//! assert_eq!(counters.sum(0), 0);
//! // There is no such counter.
//! counters.count(3);
//! assert_eq!(counters.sum(3), 0);
//! ```

use crate::bindings;

use core::ptr::NonNull;

use kernel::{
    cpu::nr_cpu_ids,
    prelude::*, //
};

/// `N` counters.
///
/// # Invariants
///
/// It is a `__percpu` pointer to `N` numbers of each CPU, which this value owns.
pub(crate) struct Counters<const N: usize>(NonNull<c_void>);

// SAFETY: Each CPU counts for itself, and others read whole numbers.
unsafe impl<const N: usize> Send for Counters<N> {}
// SAFETY: As above.
unsafe impl<const N: usize> Sync for Counters<N> {}

impl<const N: usize> Counters<N> {
    /// Makes counters, which are zero (`alloc_percpu()`). Fails with `ENOMEM`; may sleep.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: It only allocates.
        let counters = unsafe { bindings::alloc_percpu_u64(N) };
        // INVARIANT: It was just allocated, of that size.
        Ok(Self(NonNull::new(counters.cast()).ok_or(ENOMEM)?))
    }

    /// Adds one to the counter `index`, if there is one (`this_cpu_inc()`).
    pub(crate) fn count(&self, index: usize) {
        if index < N {
            // SAFETY: By the type invariant.
            unsafe { bindings::this_cpu_inc_u64(self.0.as_ptr().cast(), index) };
        }
    }

    /// Returns what all CPUs have counted; 0 if there is no such counter.
    pub(crate) fn sum(&self, index: usize) -> u64 {
        let cpus = if index < N { nr_cpu_ids() } else { 0 };
        (0..cpus).fold(0, |sum: u64, cpu| {
            // SAFETY: By the type invariant.
            sum.wrapping_add(unsafe { bindings::per_cpu_u64(self.0.as_ptr().cast(), index, cpu) })
        })
    }
}

impl<const N: usize> Drop for Counters<N> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::free_percpu(self.0.as_ptr().cast()) };
    }
}
