// SPDX-License-Identifier: GPL-2.0

//! Work: what is done soon, in process context.
//!
//! A [`Work`] owns the data on which it works. It can be scheduled in any context, and runs on a CPU
//! of the kernel's choice, as a rule the one on which it was scheduled. Scheduled again before it
//! has begun, it runs once. To drop one may sleep, until it is not running any more.
//!
//! The kernel crate's `workqueue` has work that keeps itself alive while it is queued. A module can't
//! wait for that, and would be gone before its work.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)
//!
//! # Examples
//!
//! What has to sleep is left to work:
//!
//! ```
//! use crate::net::work::{
//!     Run,
//!     Work, //
//! };
//!
//! use kernel::{
//!     sync::atomic::{
//!         Atomic,
//!         Relaxed, //
//!     },
//!     time::{
//!         delay::fsleep,
//!         Delta, //
//!     }, //
//! };
//!
//! struct Runs {
//!     count: Atomic<u32>,
//! }
//!
//! impl Run for Runs {
//!     fn run(&self) {
//!         fsleep(Delta::from_millis(1));
//!         self.count.fetch_add(1, Relaxed);
//!     }
//! }
//!
//! let runs = try_init!(Runs { count: Atomic::new(0) }? Error);
//! let work = KBox::pin_init(Work::new(runs), GFP_KERNEL)?;
//! work.schedule();
//! // In a second it has had time enough.
//! for _ in 0..1000 {
//!     if work.data().count.load(Relaxed) == 1 {
//!         break;
//!     }
//!     fsleep(Delta::from_millis(1));
//! }
//! assert_eq!(work.data().count.load(Relaxed), 1);
//! ```

use crate::bindings;

use kernel::{
    prelude::*,
    types::Opaque, //
};

/// What a [`Work`] does.
pub(crate) trait Run: Send + Sync + 'static {
    /// Is called in process context, by one thread at a time. It may sleep.
    fn run(&self);
}

/// Work, and the data on which it works (`struct work_struct`).
///
/// # Invariants
///
/// `work` is initialised with [`Self::function`], and neither queued nor running when the data is
/// dropped.
#[pin_data(PinnedDrop)]
pub(crate) struct Work<T: Run> {
    #[pin]
    work: Opaque<bindings::work_struct>,
    #[pin]
    data: T,
}

// SAFETY: The kernel's queues have locks of their own, and the data may be sent.
unsafe impl<T: Run> Send for Work<T> {}
// SAFETY: As above; the data may be shared.
unsafe impl<T: Run> Sync for Work<T> {}

impl<T: Run> Work<T> {
    /// Makes work that is not scheduled (`INIT_WORK()`). Fails with what `data` fails with.
    pub(crate) fn new<E>(data: impl PinInit<T, E>) -> impl PinInit<Self, Error>
    where
        Error: From<E>,
    {
        try_pin_init!(Self {
            work <- Opaque::ffi_init(|work| {
                // SAFETY: `work` is valid for writes, and pinned.
                unsafe { bindings::INIT_WORK(work, Some(Self::function)) }
            }),
            data <- data,
        })
    }

    /// Returns the data on which it works.
    pub(crate) fn data(&self) -> &T {
        &self.data
    }

    /// Lets the work be done soon (`schedule_work()`). From any context.
    pub(crate) fn schedule(&self) {
        // SAFETY: By the type invariant. Whoever has a reference keeps the value from being dropped.
        unsafe { bindings::schedule_work(self.work.get()) };
    }

    /// Calls [`Run::run`].
    ///
    /// # Safety
    ///
    /// The kernel calls this for work that [`Self::new`] made.
    unsafe extern "C" fn function(work: *mut bindings::work_struct) {
        // SAFETY: By the contract, and because the work has ended before the value goes.
        let this = unsafe { &*kernel::container_of!(Opaque::cast_from(work), Self, work) };
        this.data.run();
    }
}

#[pinned_drop]
impl<T: Run> PinnedDrop for Work<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: The work is initialised; this may sleep until it has ended. Nobody can schedule it
        // again: there is no other reference.
        unsafe { bindings::cancel_work_sync(self.work.get()) };
    }
}
