// SPDX-License-Identifier: GPL-2.0

//! Values that the packet path finds without being given them, for as long as the module wants.

use super::rcu::Pointer;

use core::{
    marker::PhantomData,
    ptr, //
};

use kernel::{
    prelude::*,
    sync::rcu, //
};

/// A place for a value that is there while a [`GlobalRegistration`] of it lives, to be declared as
/// a `static`.
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
    /// An empty place.
    pub(crate) const fn new() -> Self {
        // INVARIANT: The pointer is null.
        Self {
            ptr: Pointer::null(),
            _owns: PhantomData,
        }
    }

    /// The value, if there is one; it stays valid for as long as the critical section `_rcu`.
    #[inline]
    pub(crate) fn get<'g>(&self, rcu: &'g rcu::Guard) -> Option<&'g T> {
        self.ptr.get(rcu)
    }

    /// Puts `value` there. Fails with `EBUSY` if there is one.
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

/// A value is in its place. When dropped, it is taken out, and dropped once nobody uses it.
pub(crate) struct GlobalRegistration<T: Send + Sync + 'static> {
    global: &'static Global<T>,
    _value: Pin<KBox<T>>,
}

impl<T: Send + Sync + 'static> Drop for GlobalRegistration<T> {
    fn drop(&mut self) {
        // SAFETY: Nothing is there afterwards.
        unsafe { self.global.ptr.replace(ptr::null_mut()) };
        // The value, a field, is dropped after this.
        rcu::synchronize_rcu();
    }
}
