// SPDX-License-Identifier: GPL-2.0

//! Data whose readers are in RCU read-side critical sections.
//!
//! - An [`RcuBox`] is an allocation that outlives its owner by a grace period.
//! - A [`Slot`] is a place for an [`RcuBox`] where readers find it without a lock.
//! - A [`GracePeriod`] can be asked for, and asked about later, without waiting.
//! - A [`Barrier`] makes a module wait for the callbacks of its boxes before its code goes.
//!
//! Readers may be in any context. Boxes can be dropped in any context, because nothing waits for
//! the grace period.
//!
//! C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)
//!
//! # Examples
//!
//! A setting is read for every packet, and replaced under RTNL:
//!
//! ```
//! use crate::net::{
//!     rcu::{
//!         RcuBox,
//!         Slot, //
//!     },
//!     rtnl::Rtnl, //
//! };
//!
//! use kernel::sync::rcu;
//!
//! struct Device {
//!     limit: Slot<u32>,
//! }
//!
//! impl Device {
//!     fn limit(&self) -> Option<u32> {
//!         let rcu = rcu::read_lock();
//!         self.limit.get(&rcu).copied()
//!     }
//!
//!     fn set_limit(&self, limit: u32, rtnl: &Rtnl) -> Result {
//!         let new = RcuBox::new(limit, GFP_KERNEL)?;
//!         // Readers of the old one go on with it; it is freed when they are done.
//!         drop(self.limit.replace(Some(new), rtnl));
//!         Ok(())
//!     }
//! }
//!
//! # use crate::net::tests::rhashtable::Lock;
//! let device = Device { limit: Slot::new() };
//! assert!(device.limit().is_none());
//! # let lock = Lock::take();
//! # let rtnl = lock.rtnl();
//! let done = device.set_limit(100, rtnl).and_then(|()| device.set_limit(200, rtnl));
//! # drop(lock);
//! done?;
//! assert_eq!(device.limit(), Some(200));
//! ```
//!
//! What was counted can be seen by everybody when a grace period has passed:
//!
//! ```
//! use crate::net::rcu::GracePeriod;
//!
//! use kernel::time::{
//!     delay::fsleep,
//!     Delta, //
//! };
//!
//! let settling = GracePeriod::new();
//! assert!(settling.has_passed());
//! settling.ask();
//! // Process context can wait; the packet path looks again with a later packet.
//! for _ in 0..1000 {
//!     if settling.has_passed() {
//!         break;
//!     }
//!     fsleep(Delta::from_millis(1));
//! }
//! assert!(settling.has_passed());
//! ```

use super::atomic::load_acquire;

use crate::{
    bindings,
    compat::rcu::rcu_barrier,
    net::rtnl::Rtnl, //
};

use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::{
        ManuallyDrop,
        MaybeUninit, //
    },
    ptr::{
        self,
        NonNull, //
    }, //
};

use kernel::{
    alloc::Flags,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        rcu, //
    }, //
};

/// The allocation of an [`RcuBox`].
#[repr(C)]
struct Inner<T> {
    /// What `call_rcu()` needs.
    head: UnsafeCell<bindings::callback_head>,
    value: T,
}

/// An allocation whose memory is freed, and whose value is dropped, a grace period after the owner
/// has let go of it (`call_rcu()`).
///
/// # Invariants
///
/// The pointer is to a live allocation made by [`KBox`], which this value owns; readers may have
/// shared access to it until a grace period after the drop.
pub(crate) struct RcuBox<T: Send + Sync + 'static>(NonNull<Inner<T>>);

// SAFETY: Ownership of a `T` is sent, which is allowed; readers have shared access to a `Sync`
// value.
unsafe impl<T: Send + Sync + 'static> Send for RcuBox<T> {}
// SAFETY: A shared `RcuBox` gives shared access to a `Sync` value and nothing else.
unsafe impl<T: Send + Sync + 'static> Sync for RcuBox<T> {}

impl<T: Send + Sync + 'static> RcuBox<T> {
    /// Allocates memory for `value` and moves it there. Fails with `ENOMEM`.
    pub(crate) fn new(value: T, flags: Flags) -> Result<Self> {
        let inner = KBox::new(
            Inner {
                head: UnsafeCell::new(bindings::callback_head::default()),
                value,
            },
            flags,
        )?;
        // INVARIANT: The allocation was just made and is owned by nobody else.
        Ok(Self(NonNull::from(KBox::leak(inner))))
    }

    /// Gives up ownership and returns the pointer to the value. [`Self::from_raw`] takes the
    /// ownership back.
    pub(super) fn into_raw(self) -> NonNull<T> {
        let inner = ManuallyDrop::new(self).0;
        // The pointer is not made from a reference to the value, because `from_raw` goes from it to
        // the whole allocation.
        //
        // SAFETY: By the type invariant the allocation is live.
        let value = unsafe { &raw mut (*inner.as_ptr()).value };
        // SAFETY: A field of an allocation is not at address zero.
        unsafe { NonNull::new_unchecked(value) }
    }

    /// Takes ownership back.
    ///
    /// # Safety
    ///
    /// `value` came from [`Self::into_raw`] of the same type, and nobody else takes it back.
    pub(super) unsafe fn from_raw(value: NonNull<T>) -> Self {
        // SAFETY: `value` is the field of an `Inner<T>` by the contract of this function.
        let inner = unsafe { kernel::container_of!(value.as_ptr(), Inner<T>, value) };
        // INVARIANT: The caller hands over the ownership that `into_raw` gave up.
        // SAFETY: A pointer to an allocation is not null.
        Self(unsafe { NonNull::new_unchecked(inner) })
    }
}

impl<T: Send + Sync + 'static> Drop for RcuBox<T> {
    fn drop(&mut self) {
        /// Frees the allocation (`rcu_callback_t`).
        ///
        /// # Safety
        ///
        /// `head` is that of an `Inner<T>` that was handed to `call_rcu()`.
        unsafe extern "C" fn free<T>(head: *mut bindings::callback_head) {
            // `head` is the first field of the `#[repr(C)]` structure.
            // SAFETY: The drop below handed this allocation to `call_rcu()`; a grace period has
            // passed, so no reader is left and ownership is exclusive.
            drop(unsafe { KBox::from_raw(head.cast::<Inner<T>>()) });
        }

        // SAFETY: By the type invariant the allocation is live.
        let head = unsafe { &raw const (*self.0.as_ptr()).head };
        // SAFETY: `head` is in a live allocation, is used by nothing else, and stays valid until
        // the callback frees it. The module waits for its callbacks before it goes (`Barrier`).
        unsafe { bindings::call_rcu(UnsafeCell::raw_get(head), Some(free::<T>)) };
    }
}

/// A pointer that readers follow in critical sections, and that writers replace.
///
/// # Invariants
///
/// The pointer is null or to a value. The value stays, and stays where it is, until a grace period
/// after the pointer was replaced.
pub(super) struct Pointer<T>(Atomic<*mut T>);

// SAFETY: It gives shared access to a value.
unsafe impl<T: Sync> Send for Pointer<T> {}
// SAFETY: As above.
unsafe impl<T: Sync> Sync for Pointer<T> {}

impl<T> Pointer<T> {
    /// Makes a pointer to nothing.
    pub(super) const fn null() -> Self {
        // INVARIANT: The pointer is null.
        Self(Atomic::new(ptr::null_mut()))
    }

    /// Returns the value, if there is one (`rcu_dereference()`). The reference is valid until the
    /// critical section ends.
    #[inline]
    pub(super) fn get<'g>(&self, _rcu: &'g rcu::Guard) -> Option<&'g T> {
        // SAFETY: By the type invariant.
        unsafe { load_acquire(&self.0).as_ref() }
    }

    /// Makes it point to `new` and returns what it pointed to before (`rcu_replace_pointer()`).
    ///
    /// The owner of the old value drops it a grace period later. Writers have to be serialised, as
    /// in C.
    ///
    /// # Safety
    ///
    /// `new` is null, or as the type invariant says.
    pub(super) unsafe fn replace(&self, new: *mut T) -> *mut T {
        // INVARIANT: The contract of this function.
        self.0.xchg(new, Release)
    }

    /// Makes it point to `new` if it points to nothing. Returns whether it did.
    ///
    /// # Safety
    ///
    /// As for [`Self::replace`].
    pub(super) unsafe fn set_if_null(&self, new: *mut T) -> bool {
        // INVARIANT: The contract of this function.
        self.0.cmpxchg(ptr::null_mut(), new, Release).is_ok()
    }
}

/// A place for one [`RcuBox`], which readers find there without a lock.
///
/// # Invariants
///
/// The pointer is null or came from [`RcuBox::into_raw`] and is owned by this value.
pub(crate) struct Slot<T: Send + Sync + 'static> {
    ptr: Pointer<T>,
    _owns: PhantomData<RcuBox<T>>,
}

impl<T: Send + Sync + 'static> Slot<T> {
    /// Makes an empty slot.
    pub(crate) const fn new() -> Self {
        // INVARIANT: The pointer is null.
        Self {
            ptr: Pointer::null(),
            _owns: PhantomData,
        }
    }

    /// Returns what is in the slot, if anything. The reference is valid until the critical section
    /// ends.
    #[inline]
    pub(crate) fn get<'g>(&self, rcu: &'g rcu::Guard) -> Option<&'g T> {
        self.ptr.get(rcu)
    }

    /// Replaces what is in the slot and returns what was there. RTNL serialises writers.
    pub(crate) fn replace(&self, new: Option<RcuBox<T>>, _rtnl: &Rtnl) -> Option<RcuBox<T>> {
        self.swap(new)
    }

    /// Does what [`Self::replace`] does, for a caller who has made sure that there is no other
    /// writer.
    fn swap(&self, new: Option<RcuBox<T>>) -> Option<RcuBox<T>> {
        let new = new.map_or(ptr::null_mut(), |new| new.into_raw().as_ptr());
        // INVARIANT: Ownership of `new` moves in, that of the old pointer out.
        //
        // SAFETY: A box is dropped a grace period after its owner has let go of it.
        let old = unsafe { self.ptr.replace(new) };
        // SAFETY: By the type invariant the pointer came from `into_raw`; it was just taken out, so
        // nobody else takes it back.
        NonNull::new(old).map(|old| unsafe { RcuBox::from_raw(old) })
    }
}

impl<T: Send + Sync + 'static> Drop for Slot<T> {
    fn drop(&mut self) {
        self.swap(None);
    }
}

/// Returns the critical section in which the caller is already.
///
/// This is for code that the kernel calls in one. To enter another one costs as much as a look-up.
///
/// # Safety
///
/// The caller is in a read-side critical section that lasts for as long as the result is used. With
/// softirqs or preemption disabled it is in one, too, though lockdep does not know.
pub(super) unsafe fn held() -> ManuallyDrop<rcu::Guard> {
    static_assert!(size_of::<rcu::Guard>() == 0);
    // SAFETY: The type has no bytes. A value of it stands for a critical section, in which the
    // caller is by the contract of this function. Nothing ends that section here.
    unsafe { MaybeUninit::uninit().assume_init() }
}

/// Calls `f` in the critical section that disabled softirqs are. With `CONFIG_PROVE_RCU` it also
/// enters one that lockdep knows.
///
/// # Safety
///
/// Softirqs are disabled.
pub(super) unsafe fn with_softirqs_disabled<R>(f: impl FnOnce(&rcu::Guard) -> R) -> R {
    let _seen_by_lockdep = cfg!(CONFIG_PROVE_RCU).then(rcu::read_lock);
    // SAFETY: Grace periods wait for code with softirqs disabled.
    let rcu = unsafe { held() };
    f(&rcu)
}

/// The last grace period for which somebody has asked. When it has passed, everybody can see what
/// was done in the critical sections that were open at that time.
pub(crate) struct GracePeriod(Atomic<usize>);

impl GracePeriod {
    /// Makes one for which nobody has asked.
    pub(crate) const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Asks for a grace period that begins now (`start_poll_synchronize_rcu()`). From any context.
    pub(crate) fn ask(&self) {
        // SAFETY: It may be called from any context.
        let asked = unsafe { bindings::start_poll_synchronize_rcu() };
        // CAST: The numbers wrap around, so the sign of the difference is wanted.
        let is_later = |last: usize| last == 0 || asked.wrapping_sub(last) as isize > 0;
        let mut last = self.0.load(Relaxed);
        // Another CPU may have asked for a later one meanwhile, which is as good.
        while is_later(last) {
            match self.0.cmpxchg(last, asked, Release) {
                Ok(_) => break,
                Err(now) => last = now,
            }
        }
    }

    /// Returns whether the grace period has passed, or nobody has asked for one
    /// (`poll_state_synchronize_rcu()`). From any context.
    pub(crate) fn has_passed(&self) -> bool {
        let asked = self.0.load(Acquire);
        // SAFETY: It may be called from any context.
        asked == 0 || unsafe { bindings::poll_state_synchronize_rcu(asked) }
    }
}

/// Waits, when it is dropped, for the callbacks of every [`RcuBox`] that was dropped before
/// (`rcu_barrier()`). That may sleep.
///
/// It is the last field of a module, because the module's code must not go while a callback is
/// pending.
pub(crate) struct Barrier;

impl Drop for Barrier {
    fn drop(&mut self) {
        rcu_barrier();
    }
}
