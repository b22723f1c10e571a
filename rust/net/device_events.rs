// SPDX-License-Identifier: GPL-2.0

//! Events of network devices.
//!
//! [`DeviceEvents`] tells a [`Listener`] in which namespace a device has changed. Devices come and
//! go. They are switched on and off. They lose their carrier, move into VRFs and other namespaces,
//! and get another MTU. The chain calls the listener in process context, with RTNL held.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)
//!
//! # Examples
//!
//! ```
//! use crate::net::{
//!     device_events::DeviceEvents,
//!     net_namespace::Net,
//!     notifier::{
//!         Listener,
//!         NotifierRegistration, //
//!     }, //
//! };
//!
//! use kernel::sync::{
//!     atomic::{
//!         Atomic,
//!         Relaxed, //
//!     },
//!     rcu, //
//! };
//!
//! static CHANGES: Atomic<u32> = Atomic::new(0);
//!
//! struct Watch;
//!
//! impl Listener for Watch {
//!     fn changed(_net: &Net, _rcu: &rcu::Guard) {
//!         CHANGES.fetch_add(1, Relaxed);
//!     }
//! }
//!
//! let registration =
//!     KBox::pin_init(NotifierRegistration::<DeviceEvents<Watch>>::new(), GFP_KERNEL)?;
//! // The chain tells of the devices that exist already, as if they had just come.
//! assert!(CHANGES.load(Relaxed) > 0);
//!
//! // From here on nobody calls the listener.
//! drop(registration);
//! ```

use super::{
    net_namespace::Net,
    notifier::{
        Chain,
        Listener, //
    }, //
};

use crate::bindings;

use core::marker::PhantomData;

use kernel::{
    prelude::*,
    sync::rcu, //
};

/// The chain of device events (`register_netdevice_notifier()`).
///
/// When a listener registers, the chain tells of every device that exists, as if it came. When the
/// listener unregisters, the chain tells of them as if they went.
pub(crate) struct DeviceEvents<L: Listener>(PhantomData<L>);

// SAFETY: The chain passes a `struct netdev_notifier_info`, and waits for callbacks when one is
// taken out.
unsafe impl<L: Listener> Chain for DeviceEvents<L> {
    unsafe fn register(block: *mut bindings::notifier_block) -> c_int {
        // SAFETY: The contract of this function.
        unsafe { bindings::register_netdevice_notifier(block) }
    }

    unsafe fn unregister(block: *mut bindings::notifier_block) {
        // SAFETY: The contract of this function.
        unsafe { bindings::unregister_netdevice_notifier(block) };
    }

    unsafe fn called(_event: c_ulong, data: *mut c_void) {
        let info: *const bindings::netdev_notifier_info = data.cast();
        // SAFETY: The contract of this function; RTNL is held, so that the namespace stays.
        let net = unsafe { Net::from_possible(&raw const (*(*info).dev).nd_net) };
        L::changed(net, &rcu::read_lock());
    }
}
