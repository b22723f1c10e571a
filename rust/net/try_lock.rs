// SPDX-License-Identifier: GPL-2.0

//! A lock that nobody waits for.

use super::atomic;

use core::{
    cell::UnsafeCell,
    ops::{
        Deref,
        DerefMut, //
    }, //
};

use kernel::sync::atomic::Atomic;

/// A value that one at a time may use; whoever comes meanwhile has to do without.
///
/// This takes less than a [`SpinLock`](kernel::sync::SpinLock) that is only ever tried: nothing is
/// called, and preemption is left alone.
///
/// # Invariants
///
/// `taken` is true while there is a [`TryGuard`] of this lock, of which there is one at most.
pub(crate) struct TryLock<T> {
    taken: Atomic<bool>,
    value: UnsafeCell<T>,
}

// SAFETY: The value goes with the lock.
unsafe impl<T: Send> Send for TryLock<T> {}
// SAFETY: Whoever has the guard has exclusive access to the value, which may be sent.
unsafe impl<T: Send> Sync for TryLock<T> {}

impl<T> TryLock<T> {
    /// A lock that nobody has taken.
    pub(crate) const fn new(value: T) -> Self {
        // INVARIANT: There is no guard yet.
        Self {
            taken: Atomic::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// The value, unless somebody uses it.
    #[inline]
    pub(crate) fn try_lock(&self) -> Option<TryGuard<'_, T>> {
        // INVARIANT: If it was not taken, there was no guard, and now is this one.
        atomic::set(&self.taken).then(|| TryGuard(self))
    }
}

/// The value of a [`TryLock`] is in use by whoever has this.
///
/// # Invariants
///
/// It is the only one of its lock.
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
        // SAFETY: As above.
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
