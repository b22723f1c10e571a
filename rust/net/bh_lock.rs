// SPDX-License-Identifier: GPL-2.0

//! A lock that is taken in process context and in softirqs (`spin_lock_bh()`).
//!
//! The kernel crate's [`SpinLock`] leaves softirqs enabled. One that interrupts the owner of the
//! lock, and wants it as well, would wait for ever.
//!
//! The lock may be taken in any context but that of hard interrupts. Its owner must not sleep.
//!
//! C header: [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h)
//!
//! # Examples
//!
//! ```
//! use crate::net::bh_lock::BhSpinLock;
//!
//! let numbers = KBox::pin_init(BhSpinLock::new(0), GFP_KERNEL)?;
//! numbers.with(|number| *number += 7);
//! assert_eq!(numbers.with(|number| *number), 7);
//! ```

use crate::bindings;

use kernel::{
    new_spinlock,
    prelude::*,
    sync::SpinLock, //
};

/// A value that one user at a time may have. Others wait.
#[pin_data]
pub(crate) struct BhSpinLock<T> {
    #[pin]
    lock: SpinLock<T>,
}

impl<T: Unpin> BhSpinLock<T> {
    /// Makes a lock that nobody has taken.
    pub(crate) fn new(value: T) -> impl PinInit<Self> {
        pin_init!(Self {
            lock <- new_spinlock!(value),
        })
    }

    /// Calls `f` with the value.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // Dropped in the reverse order: the lock first.
        let _softirqs = SoftirqsDisabled::new();
        let mut value = self.lock.lock();
        f(&mut value)
    }
}

/// No softirq runs on this CPU while this lives.
struct SoftirqsDisabled;

impl SoftirqsDisabled {
    fn new() -> Self {
        // SAFETY: It may be called in any context in which a spinlock may be taken, and is undone
        // when this is dropped.
        unsafe { bindings::local_bh_disable() };
        Self
    }
}

impl Drop for SoftirqsDisabled {
    fn drop(&mut self) {
        // SAFETY: They were disabled when this was made, on this CPU: the owner of a lock does not
        // sleep.
        unsafe { bindings::local_bh_enable() };
    }
}
