// SPDX-License-Identifier: GPL-2.0

//! RTNL, the lock under which network devices are configured.
//!
//! RTNL is a mutex: whoever holds it is in process context and may sleep. Nothing here takes it.
//! The kernel does so before it calls a driver, and the driver's callback is given an [`Rtnl`].
//! What may only be done with RTNL held takes that as evidence.
//!
//! C header: [`include/linux/rtnetlink.h`](srctree/include/linux/rtnetlink.h)
//!
//! # Examples
//!
//! ```
//! use crate::net::rtnl::{
//!     synchronize_net,
//!     Rtnl, //
//! };
//!
//! use kernel::sync::atomic::{
//!     Atomic,
//!     Relaxed, //
//! };
//!
//! /// A value that the packet path reads, and that RTNL protects against other writers.
//! struct Protected(Atomic<u32>);
//!
//! impl Protected {
//!     fn set(&self, value: u32, rtnl: &Rtnl) {
//!         self.0.store(value, Relaxed);
//!         // Packets that are handled from here on see the new value.
//!         synchronize_net(rtnl);
//!     }
//! }
//!
//! # use crate::net::tests::rhashtable::Lock;
//! let value = Protected(Atomic::new(1));
//! # let lock = Lock::take();
//! # let rtnl = lock.rtnl();
//! value.set(2, rtnl);
//! # drop(lock);
//! assert_eq!(value.0.load(Relaxed), 2);
//! ```

use crate::bindings;

use core::cell::UnsafeCell;

use kernel::types::NotThreadSafe;

/// Evidence that the current thread holds RTNL. It has no bytes, and cannot be sent to another
/// thread.
pub(crate) struct Rtnl(NotThreadSafe);

impl Rtnl {
    /// Returns the evidence, and warns if the lock is not held (`ASSERT_RTNL()`).
    ///
    /// # Safety
    ///
    /// RTNL is held for as long as the result is used.
    pub(super) unsafe fn assume<'a>() -> &'a Self {
        const HELD: &Rtnl = &Rtnl(NotThreadSafe);
        // SAFETY: It only looks, and warns if the lock is not held.
        unsafe { bindings::ASSERT_RTNL() };
        HELD
    }
}

/// A value that RTNL protects. It is taken out and put back, as from a
/// [`Cell`](core::cell::Cell).
pub(crate) struct RtnlCell<T>(UnsafeCell<T>);

// SAFETY: Only the thread that holds RTNL has access to the value.
unsafe impl<T: Send> Sync for RtnlCell<T> {}

impl<T> RtnlCell<T> {
    /// Makes a place for `value`.
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Puts `new` there and returns what was there.
    pub(crate) fn replace(&self, new: T, _rtnl: &Rtnl) -> T {
        // SAFETY: With RTNL held nobody else has access, and nobody is given a reference.
        unsafe { self.0.get().replace(new) }
    }
}

/// Waits until every packet that is being handled now has been handled (`synchronize_net()`).
/// Sleeps.
pub(crate) fn synchronize_net(_rtnl: &Rtnl) {
    // SAFETY: RTNL is held in process context, which may sleep.
    unsafe { bindings::synchronize_net() };
}
