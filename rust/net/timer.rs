// SPDX-License-Identifier: GPL-2.0

//! Work to be done some time later, in softirq context, on the same CPU.
//!
//! C header: [`include/linux/timer.h`](srctree/include/linux/timer.h)

use super::jiffies::Instant;

use crate::bindings;

use kernel::{
    prelude::*,
    types::Opaque, //
};

/// What a [`Timer`] does when it expires.
pub(crate) trait Expire: Send + Sync + 'static {
    /// Called in softirq context.
    fn expired(&self, timer: &Timer<Self>)
    where
        Self: Sized;
}

/// A timer and what it works on.
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
    /// A timer that is not running.
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

    /// What it works on.
    pub(crate) fn data(&self) -> &T {
        &self.data
    }

    /// Lets it expire after so many ticks, on this CPU as long as that is online. From any context.
    pub(crate) fn start(&self, ticks: usize) {
        let expires = Instant::now().as_raw().wrapping_add(ticks);
        // SAFETY: By the type invariant. One that was shut down stays so.
        unsafe { bindings::mod_timer(self.timer.get(), expires) };
    }

    /// Lets it expire after so many ticks, unless it does so sooner; where, as above. From any
    /// context.
    pub(crate) fn start_within(&self, ticks: usize) {
        let expires = Instant::now().as_raw().wrapping_add(ticks);
        // SAFETY: As above.
        unsafe { bindings::timer_reduce(self.timer.get(), expires) };
    }

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
