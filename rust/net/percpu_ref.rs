// SPDX-License-Identifier: GPL-2.0

//! References that each CPU counts for itself, until somebody waits for them to go.
//!
//! C header: [`include/linux/percpu-refcount.h`](srctree/include/linux/percpu-refcount.h)

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

/// Counts references to something that goes when there are none any more.
///
/// # Invariants
///
/// `count` is initialised with [`Self::released`] until the value is dropped.
#[pin_data(PinnedDrop)]
pub(crate) struct PercpuRef {
    #[pin]
    count: Opaque<bindings::percpu_ref>,
    /// Whether there are none any more, which who takes the last one away says when it has let go
    /// of `count`.
    released: Atomic<bool>,
}

// SAFETY: `struct percpu_ref` is made to be used by all CPUs.
unsafe impl Send for PercpuRef {}
// SAFETY: As above.
unsafe impl Sync for PercpuRef {}

impl PercpuRef {
    /// No references yet. Fails with `ENOMEM`.
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

    /// Takes a reference, unless [`Self::kill`] was called. Returns whether there is one.
    #[must_use = "it has to be given back"]
    pub(crate) fn try_get(&self, _rcu: &rcu::Guard) -> bool {
        // SAFETY: By the type invariant; RCU is held.
        unsafe { bindings::percpu_ref_tryget_live(self.count.get()) }
    }

    /// Gives one back. From any context.
    ///
    /// # Safety
    ///
    /// It was taken with [`Self::try_get`], and is given back once.
    pub(crate) unsafe fn put(&self) {
        // SAFETY: By the type invariant, and the contract of this function.
        unsafe { bindings::percpu_ref_put(self.count.get()) };
    }

    /// Gives out no more references: from the next grace period on, [`Self::try_get`] fails.
    ///
    /// # Safety
    ///
    /// It is called once.
    pub(crate) unsafe fn kill(&self) {
        // SAFETY: By the type invariant, and the contract of this function.
        unsafe { bindings::percpu_ref_kill_and_confirm(self.count.get(), None) };
    }

    /// Whether there still are references, once [`Self::kill`] was called. May sleep.
    pub(crate) fn is_in_use(&self) -> bool {
        // Until then, nobody can say.
        //
        // SAFETY: By the type invariant.
        unsafe { bindings::percpu_ref_switch_to_atomic_sync(self.count.get()) };
        !self.released.load(Acquire)
    }

    /// # Safety
    ///
    /// The kernel calls this for a count that [`Self::new`] has made, when it has become zero, and
    /// looks at it no more.
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
