// SPDX-License-Identifier: GPL-2.0

//! Chains of callbacks by which the kernel tells of changes.
//!
//! C header: [`include/linux/notifier.h`](srctree/include/linux/notifier.h)

use crate::{
    bindings,
    net::net_namespace::Net, //
};

use core::marker::PhantomData;

use kernel::{
    error::to_result,
    prelude::*,
    sync::rcu,
    types::Opaque, //
};

/// Somebody who wants to know when something changes that look-ups depend on.
pub(crate) trait Listener: 'static {
    /// Something has changed in `net`; look-ups that start now find it. Called from any context.
    fn changed(net: &Net, rcu: &rcu::Guard);
}

/// A chain of the kernel's.
///
/// # Safety
///
/// What `register` has put into the chain is called as [`Self::called`] wants it, and by nobody any
/// more once `unregister` has returned.
pub(crate) unsafe trait Chain: 'static {
    /// # Safety
    ///
    /// `block` is initialised, and stays where it is until it was taken out again.
    unsafe fn register(block: *mut bindings::notifier_block) -> c_int;

    /// # Safety
    ///
    /// `block` is in the chain.
    unsafe fn unregister(block: *mut bindings::notifier_block);

    /// # Safety
    ///
    /// `data` is what the chain passes for `event`.
    unsafe fn called(event: c_ulong, data: *mut c_void);
}

/// A callback is in a chain; undone when dropped.
#[pin_data(PinnedDrop)]
pub(crate) struct NotifierRegistration<C: Chain> {
    #[pin]
    block: Opaque<bindings::notifier_block>,
    _chain: PhantomData<C>,
}

// SAFETY: The kernel takes a lock for the chain; nothing else changes.
unsafe impl<C: Chain> Send for NotifierRegistration<C> {}
// SAFETY: As above.
unsafe impl<C: Chain> Sync for NotifierRegistration<C> {}

impl<C: Chain> NotifierRegistration<C> {
    /// Puts a callback behind all others, so that what these do is done when it is called. May
    /// sleep.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            block <- Opaque::try_ffi_init(|slot: *mut bindings::notifier_block| {
                let block = bindings::notifier_block {
                    notifier_call: Some(Self::call),
                    priority: c_int::MIN,
                    ..Default::default()
                };
                // SAFETY: The slot is valid for writes.
                unsafe { slot.write(block) };
                // SAFETY: The block is initialised, and pinned until it is taken out.
                to_result(unsafe { C::register(slot) })
            }),
            _chain: PhantomData,
        })
    }

    /// # Safety
    ///
    /// The kernel calls this for an event of the chain.
    unsafe extern "C" fn call(
        _block: *mut bindings::notifier_block,
        event: c_ulong,
        data: *mut c_void,
    ) -> c_int {
        // SAFETY: The contract of this function.
        unsafe { C::called(event, data) };
        // CAST: The constant is zero.
        bindings::NOTIFY_DONE as c_int
    }
}

#[pinned_drop]
impl<C: Chain> PinnedDrop for NotifierRegistration<C> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: It was put there, and is taken out once.
        unsafe { C::unregister(self.block.get()) };
    }
}
