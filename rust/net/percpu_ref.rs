// SPDX-License-Identifier: GPL-2.0

//! Reference counts that are cheap as long as nobody waits for them.
//!
//! Each CPU counts for itself until [`PercpuRef::kill`] is called. Only then the kernel adds up,
//! and [`PercpuRef::is_in_use`] can tell whether references are left. [`pernet`](super::pernet)
//! counts with it who refers to a namespace.
//!
//! References can be taken and given back in any context. The rest happens in process context.
//!
//! C header: [`include/linux/percpu-refcount.h`](srctree/include/linux/percpu-refcount.h)
//!
//! # Examples
//!
//! ```
//! use crate::net::percpu_ref::PercpuRef;
//!
//! use kernel::sync::rcu;
//!
//! let users = KBox::pin_init(PercpuRef::new(), GFP_KERNEL)?;
//! assert!(users.try_get(&rcu::read_lock()));
//!
//! // SAFETY: It is called once.
//! unsafe { users.kill() };
//! assert!(users.is_in_use());
//!
//! // SAFETY: It was taken above, and is given back once.
//! unsafe { users.put() };
//! assert!(!users.is_in_use());
//! assert!(!users.try_get(&rcu::read_lock()));
//! ```

use crate::bindings;

use kernel::{
    error::to_result,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        rcu, //
    },
    types::Opaque, //
};

/// Counts references to something that goes when the last reference is given back (`struct
/// percpu_ref`).
///
/// # Invariants
///
/// `count` is initialised with [`Self::released`] until the value is dropped.
#[pin_data(PinnedDrop)]
pub(crate) struct PercpuRef {
    #[pin]
    count: Opaque<bindings::percpu_ref>,
    /// Whether all references are gone. Who gives back the last one sets this when it has let go of
    /// `count`.
    released: Atomic<bool>,
}

// SAFETY: `struct percpu_ref` is made to be used by all CPUs.
unsafe impl Send for PercpuRef {}
// SAFETY: As above.
unsafe impl Sync for PercpuRef {}

impl PercpuRef {
    /// Makes a count of no references (`percpu_ref_init()`). Fails with `ENOMEM`.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            count <- Opaque::try_ffi_init(|count| {
                // SAFETY: `count` is valid for writes, and pinned; the callback fits it.
                to_result(unsafe {
                    bindings::percpu_ref_init(count, Some(Self::released), 0, kernel::bindings::GFP_KERNEL)
                })
            }),
            released: Atomic::new(false),
        })
    }

    /// Takes a reference, unless [`Self::kill`] was called (`percpu_ref_tryget_live()`). Returns
    /// whether it did.
    #[must_use = "it has to be given back"]
    pub(crate) fn try_get(&self, _rcu: &rcu::Guard) -> bool {
        // SAFETY: By the type invariant; RCU is held.
        unsafe { bindings::percpu_ref_tryget_live(self.count.get()) }
    }

    /// Gives back a reference (`percpu_ref_put()`). From any context.
    ///
    /// # Safety
    ///
    /// The caller took the reference with [`Self::try_get`] and gives it back once.
    pub(crate) unsafe fn put(&self) {
        // SAFETY: By the type invariant, and the contract of this function.
        unsafe { bindings::percpu_ref_put(self.count.get()) };
    }

    /// Gives out no more references (`percpu_ref_kill()`): from the next grace period on,
    /// [`Self::try_get`] fails.
    ///
    /// # Safety
    ///
    /// It is called once.
    pub(crate) unsafe fn kill(&self) {
        // SAFETY: By the type invariant, and the contract of this function.
        unsafe { bindings::percpu_ref_kill_and_confirm(self.count.get(), None) };
    }

    /// Returns whether references are left after [`Self::kill`] was called. May sleep.
    pub(crate) fn is_in_use(&self) -> bool {
        // Before the kernel has added up, nobody can tell.
        //
        // SAFETY: By the type invariant.
        unsafe { bindings::percpu_ref_switch_to_atomic_sync(self.count.get()) };
        !self.released.load(Acquire)
    }

    /// Notes that all references are gone (`percpu_ref_func_t`).
    ///
    /// # Safety
    ///
    /// The kernel calls this for a count that [`Self::new`] has made, when the count has become
    /// zero. It does not access the count any more.
    unsafe extern "C" fn released(count: *mut bindings::percpu_ref) {
        // SAFETY: The contract of this function.
        let this = unsafe { &*kernel::container_of!(Opaque::cast_from(count), Self, count) };
        this.released.store(true, Release);
    }
}

#[pinned_drop]
impl PinnedDrop for PercpuRef {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant; nobody else refers to it.
        unsafe { bindings::percpu_ref_exit(self.count.get()) };
    }
}
