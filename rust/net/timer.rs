// SPDX-License-Identifier: GPL-2.0

//! Timers: work that is done some time later, in softirq context.
//!
//! A [`Timer`] owns the data on which it works. It runs on the CPU on which it was started, as long
//! as that is online. It can be started in any context. To drop one may sleep, until a callback
//! that is running has returned.
//!
//! C header: [`include/linux/timer.h`](srctree/include/linux/timer.h)
//!
//! # Examples
//!
//! A cache sweeps out what is old until it is empty:
//!
//! ```
//! use crate::net::{
//!     jiffies::ticks,
//!     timer::{
//!         Expire,
//!         Timer, //
//!     }, //
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
//! struct Cache {
//!     entries: Atomic<u32>,
//! }
//!
//! impl Expire for Cache {
//!     fn expired(&self, timer: &Timer<Self>) {
//!         if self.entries.fetch_sub(1, Relaxed) > 1 {
//!             timer.start(ticks(1));
//!         }
//!     }
//! }
//!
//! let cache = try_init!(Cache { entries: Atomic::new(3) }? Error);
//! let timer = KBox::pin_init(Timer::new(cache), GFP_KERNEL)?;
//! timer.start(ticks(1));
//! // In a second it has had time enough.
//! for _ in 0..1000 {
//!     if timer.data().entries.load(Relaxed) == 0 {
//!         break;
//!     }
//!     fsleep(Delta::from_millis(1));
//! }
//! assert_eq!(timer.data().entries.load(Relaxed), 0);
//! ```

use super::jiffies::Instant;

use crate::bindings;

use kernel::{
    prelude::*,
    types::Opaque, //
};

/// What a [`Timer`] does when it expires.
pub(crate) trait Expire: Send + Sync + 'static {
    /// Is called in softirq context. It must not sleep. It may start `timer` again.
    fn expired(&self, timer: &Timer<Self>)
    where
        Self: Sized;
}

/// A timer, and the data on which it works (`struct timer_list`).
///
/// # Invariants
///
/// `timer` is initialised with [`Self::function`], and shut down before the value is dropped.
#[pin_data(PinnedDrop)]
pub(crate) struct Timer<T: Expire> {
    #[pin]
    timer: Opaque<bindings::timer_list>,
    #[pin]
    data: T,
}

// SAFETY: `struct timer_list` has locks of its own, and the data may be sent.
unsafe impl<T: Expire> Send for Timer<T> {}
// SAFETY: As above; the data may be shared.
unsafe impl<T: Expire> Sync for Timer<T> {}

impl<T: Expire> Timer<T> {
    /// Makes a timer that is not running (`timer_setup()`). Fails with what `data` fails with.
    pub(crate) fn new<E>(data: impl PinInit<T, E>) -> impl PinInit<Self, Error>
    where
        Error: From<E>,
    {
        try_pin_init!(Self {
            timer <- Opaque::ffi_init(|timer| {
                // SAFETY: `timer` is valid for writes, and pinned.
                unsafe { bindings::timer_setup(timer, Some(Self::function), bindings::TIMER_PINNED) }
            }),
            data <- data,
        })
    }

    /// Returns the data on which it works.
    pub(crate) fn data(&self) -> &T {
        &self.data
    }

    /// Lets the timer expire after `ticks` ticks (`mod_timer()`). It expires on this CPU,
    /// as long as that is online. From any context.
    pub(crate) fn start(&self, ticks: usize) {
        let expires = Instant::now().as_raw().wrapping_add(ticks);
        // SAFETY: By the type invariant. One that was shut down stays so.
        unsafe { bindings::mod_timer(self.timer.get(), expires) };
    }

    /// Lets the timer expire after `ticks` ticks, unless it expires sooner anyway
    /// (`timer_reduce()`). If this starts or changes the timer, it expires on this CPU, as long as
    /// that is online. From any context.
    pub(crate) fn start_within(&self, ticks: usize) {
        let expires = Instant::now().as_raw().wrapping_add(ticks);
        // SAFETY: By the type invariant. One that was shut down stays so.
        unsafe { bindings::timer_reduce(self.timer.get(), expires) };
    }

    /// Calls [`Expire::expired`].
    ///
    /// # Safety
    ///
    /// The kernel calls this when a timer that [`Self::new`] made expires.
    unsafe extern "C" fn function(timer: *mut bindings::timer_list) {
        // SAFETY: By the contract, and because the timer is shut down before the value goes.
        let this = unsafe { &*kernel::container_of!(Opaque::cast_from(timer), Self, timer) };
        this.data.expired(this);
    }
}

#[pinned_drop]
impl<T: Expire> PinnedDrop for Timer<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: The timer is initialised; this may sleep until a running callback has ended.
        unsafe { bindings::timer_shutdown_sync(self.timer.get()) };
    }
}
