// SPDX-License-Identifier: GPL-2.0

//! Global values that the packet path finds without being given them.
//!
//! Callbacks of the network stack are told about a packet, and not about the module's state. A
//! [`Global`] is a `static` in which they find that state while a [`GlobalRegistration`] lives.
//! Registration and its end happen in process context and may sleep; [`Global::get`] works in any
//! context, in a critical section.
//!
//! # Examples
//!
//! ```
//! use crate::net::global::Global;
//!
//! use kernel::sync::rcu;
//!
//! struct Settings {
//!     lifetime: u32,
//! }
//!
//! static SETTINGS: Global<Settings> = Global::new();
//!
//! fn lifetime() -> Option<u32> {
//!     let rcu = rcu::read_lock();
//!     SETTINGS.get(&rcu).map(|settings| settings.lifetime)
//! }
//!
//! assert!(lifetime().is_none());
//! let registration = SETTINGS.register(KBox::pin(Settings { lifetime: 250 }, GFP_KERNEL)?)?;
//! assert_eq!(lifetime(), Some(250));
//!
//! // There is room for one value.
//! let second = SETTINGS.register(KBox::pin(Settings { lifetime: 1 }, GFP_KERNEL)?);
//! assert!(second.err() == Some(EBUSY));
//!
//! // The value goes when the last reader is done with it.
//! drop(registration);
//! assert!(lifetime().is_none());
//! ```

use super::rcu::Pointer;

use crate::compat::rcu::synchronize_rcu;

use core::{
    marker::PhantomData,
    ptr, //
};

use kernel::{
    prelude::*,
    sync::rcu, //
};

/// A place for a value that exists as long as its [`GlobalRegistration`] lives. To be declared as a
/// `static`.
///
/// # Invariants
///
/// The pointer is null or to a pinned value that a [`GlobalRegistration`] owns, which drops it a
/// grace period after it has set this to null.
pub(crate) struct Global<T: Send + Sync + 'static> {
    ptr: Pointer<T>,
    _owns: PhantomData<T>,
}

impl<T: Send + Sync + 'static> Global<T> {
    /// Makes an empty place.
    pub(crate) const fn new() -> Self {
        // INVARIANT: The pointer is null.
        Self {
            ptr: Pointer::null(),
            _owns: PhantomData,
        }
    }

    /// Returns the value, if there is one. The reference is valid until the critical section ends.
    #[inline]
    pub(crate) fn get<'g>(&self, rcu: &'g rcu::Guard) -> Option<&'g T> {
        self.ptr.get(rcu)
    }

    /// Puts `value` into the place. Fails with `EBUSY` if there is one already.
    pub(crate) fn register(&'static self, value: Pin<KBox<T>>) -> Result<GlobalRegistration<T>> {
        let raw = ptr::from_ref::<T>(&value).cast_mut();
        // INVARIANT: The registration owns the value.
        //
        // SAFETY: The value is pinned, and dropped a grace period after it was taken out.
        if !unsafe { self.ptr.set_if_null(raw) } {
            return Err(EBUSY);
        }
        Ok(GlobalRegistration {
            global: self,
            _value: value,
        })
    }
}

/// Shows that a value is in its place. When it is dropped, it takes the value out, waits for a
/// grace period, and drops the value. That may sleep.
pub(crate) struct GlobalRegistration<T: Send + Sync + 'static> {
    global: &'static Global<T>,
    _value: Pin<KBox<T>>,
}

impl<T: Send + Sync + 'static> Drop for GlobalRegistration<T> {
    fn drop(&mut self) {
        // SAFETY: Nothing is there afterwards.
        unsafe { self.global.ptr.replace(ptr::null_mut()) };
        // The value, a field, is dropped after this.
        synchronize_rcu();
    }
}
