// SPDX-License-Identifier: GPL-2.0

//! A lock for which nobody waits.
//!
//! It suits data of one CPU that a softirq and process context share, and caches: whoever finds the
//! lock taken does without the data. It may be taken in any context, also in a hard interrupt,
//! because nothing can dead-lock. The holder may be preempted and may sleep; others merely go
//! without.
//!
//! # Examples
//!
//! ```
//! use crate::net::try_lock::TryLock;
//!
//! struct Cache {
//!     last: TryLock<Option<u32>>,
//! }
//!
//! impl Cache {
//!     fn get(&self) -> Option<u32> {
//!         // Somebody else uses it: that is as if nothing were there.
//!         *self.last.try_lock()?
//!     }
//!
//!     fn put(&self, value: u32) {
//!         if let Some(mut last) = self.last.try_lock() {
//!             *last = Some(value);
//!         }
//!     }
//! }
//!
//! let cache = Cache { last: TryLock::new(None) };
//! cache.put(1);
//! assert_eq!(cache.get(), Some(1));
//!
//! let guard = cache.last.try_lock();
//! assert!(guard.is_some());
//! assert!(cache.get().is_none());
//! ```

use super::atomic;

use core::{
    cell::UnsafeCell,
    ops::{
        Deref,
        DerefMut, //
    }, //
};

use kernel::sync::atomic::Atomic;

/// A value that one user at a time may have. Others who come meanwhile do without it.
///
/// This costs less than a [`SpinLock`](kernel::sync::SpinLock) that is only ever tried: it calls no
/// function, and leaves preemption alone.
///
/// # Invariants
///
/// `taken` is true while there is a [`TryGuard`] of this lock. There is one at most.
pub(crate) struct TryLock<T> {
    taken: Atomic<bool>,
    value: UnsafeCell<T>,
}

// SAFETY: The value goes with the lock.
unsafe impl<T: Send> Send for TryLock<T> {}
// SAFETY: Whoever has the guard has exclusive access to the value, which may be sent.
unsafe impl<T: Send> Sync for TryLock<T> {}

impl<T> TryLock<T> {
    /// Makes a lock that nobody has taken.
    pub(crate) const fn new(value: T) -> Self {
        // INVARIANT: There is no guard yet.
        Self {
            taken: Atomic::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Returns the value, unless somebody uses it.
    #[inline]
    pub(crate) fn try_lock(&self) -> Option<TryGuard<'_, T>> {
        // INVARIANT: If it was not taken, there was no guard, and now is this one.
        atomic::set(&self.taken).then(|| TryGuard(self))
    }
}

/// Gives access to the value of a [`TryLock`]. When it is dropped, others may have the value.
///
/// # Invariants
///
/// It is the only guard of its lock.
pub(crate) struct TryGuard<'a, T>(&'a TryLock<T>);

// SAFETY: A shared guard gives shared access to the value.
unsafe impl<T: Sync> Sync for TryGuard<'_, T> {}

impl<T> Deref for TryGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariant nobody else has access to the value.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for TryGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the type invariant nobody else has access to the value.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for TryGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // INVARIANT: There is no other guard, and this one is no more.
        atomic::clear(&self.0.taken);
    }
}
