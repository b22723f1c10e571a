// SPDX-License-Identifier: GPL-2.0

//! Notifier chains: callbacks by which the kernel tells of changes.
//!
//! A [`Listener`] is what a driver implements. A [`Chain`] is one of the kernel's:
//! [`DeviceEvents`], [`NeighbourEvents`]. A [`NotifierRegistration`] connects the two as long as it
//! lives. To register and to unregister may sleep. Whether a listener is called in process context
//! depends on the chain.
//!
//! [`DeviceEvents`]: super::device_events::DeviceEvents
//! [`NeighbourEvents`]: super::neighbour::NeighbourEvents
//!
//! C header: [`include/linux/notifier.h`](srctree/include/linux/notifier.h)
//!
//! # Examples
//!
//! A driver listens to several chains as long as it is loaded:
//!
//! ```
//! use crate::net::{
//!     device_events::{
//!         DeviceEvent,
//!         DeviceEvents,
//!         DeviceListener, //
//!     },
//!     neighbour::NeighbourEvents,
//!     net_namespace::Net,
//!     netdevice::NetDevice,
//!     notifier::{
//!         Listener,
//!         NotifierRegistration, //
//!     },
//!     rtnl::Rtnl, //
//! };
//!
//! use kernel::sync::{
//!     atomic::{
//!         Atomic,
//!         Release, //
//!     },
//!     rcu, //
//! };
//!
//! static GENERATION: Atomic<u32> = Atomic::new(0);
//!
//! struct Watch;
//!
//! impl Listener for Watch {
//!     fn changed(_net: &Net, _rcu: &rcu::Guard) {
//!         GENERATION.fetch_add(1, Release);
//!     }
//! }
//!
//! impl DeviceListener for Watch {
//!     fn device_changed(_event: DeviceEvent, _dev: &NetDevice, _rtnl: &Rtnl) {
//!         GENERATION.fetch_add(1, Release);
//!     }
//! }
//!
//! #[pin_data]
//! struct Driver {
//!     #[pin]
//!     devices: NotifierRegistration<DeviceEvents<Watch>>,
//!     #[pin]
//!     neighbours: NotifierRegistration<NeighbourEvents<Watch>>,
//! }
//!
//! let driver = KBox::pin_init(
//!     try_pin_init!(Driver {
//!         devices <- NotifierRegistration::new(),
//!         neighbours <- NotifierRegistration::new(),
//!     }? Error),
//!     GFP_KERNEL,
//! )?;
//! # drop(driver);
//! ```

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

/// A listener, which wants to know when something changes that look-ups depend on.
pub(crate) trait Listener: 'static {
    /// Something has changed in `net`, and look-ups that start now find the change. The kernel may
    /// call this in any context.
    fn changed(net: &Net, rcu: &rcu::Guard);
}

/// A notifier chain of the kernel.
///
/// # Safety
///
/// The kernel calls a block that `register` has put into the chain only as the contract of
/// [`Self::called`] demands. It does not call the block any more when `unregister` has returned.
pub(crate) unsafe trait Chain: 'static {
    /// Puts `block` into the chain. Returns 0 or a negative error number. May sleep.
    ///
    /// # Safety
    ///
    /// `block` is initialised. It stays where it is until `unregister` has taken it out.
    unsafe fn register(block: *mut bindings::notifier_block) -> c_int;

    /// Takes `block` out of the chain. May sleep.
    ///
    /// # Safety
    ///
    /// `block` is in the chain.
    unsafe fn unregister(block: *mut bindings::notifier_block);

    /// Handles an event of the chain.
    ///
    /// # Safety
    ///
    /// `data` is what the chain passes for `event`.
    unsafe fn called(event: c_ulong, data: *mut c_void);
}

/// Shows that a callback is in the chain `C`. When it is dropped, it takes the callback out, which
/// may sleep.
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
    /// Puts a callback behind all others of the chain. So the others have handled an event before
    /// this one is called. May sleep. Fails with what the chain fails with.
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

    /// Is called by the kernel for every event of the chain (`notifier_call`).
    ///
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
