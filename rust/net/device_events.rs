// SPDX-License-Identifier: GPL-2.0

//! Events of network devices.
//!
//! [`DeviceEvents`] tells a [`DeviceListener`] which device has changed. Devices come and go. They are
//! switched on and off. They lose their carrier, move into VRFs and other namespaces, and get
//! another MTU. The chain calls the listener in process context, with RTNL held.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)
//!
//! # Examples
//!
//! ```
//! use crate::net::{
//!     device_events::{
//!         DeviceEvent,
//!         DeviceEvents,
//!         DeviceListener, //
//!     },
//!     netdevice::NetDevice,
//!     notifier::NotifierRegistration,
//!     rtnl::Rtnl, //
//! };
//!
//! use kernel::sync::atomic::{
//!     Atomic,
//!     Relaxed, //
//! };
//!
//! static DEVICES: Atomic<i32> = Atomic::new(0);
//!
//! struct Count;
//!
//! impl DeviceListener for Count {
//!     fn device_changed(event: DeviceEvent, _dev: &NetDevice, _rtnl: &Rtnl) {
//!         match event {
//!             DeviceEvent::Comes => DEVICES.fetch_add(1, Relaxed),
//!             DeviceEvent::Goes => DEVICES.fetch_sub(1, Relaxed),
//!             DeviceEvent::Changes => 0,
//!         };
//!     }
//! }
//!
//! let registration =
//!     KBox::pin_init(NotifierRegistration::<DeviceEvents<Count>>::new(), GFP_KERNEL)?;
//! // The chain tells of the devices that exist already, as if they had just come.
//! assert!(DEVICES.load(Relaxed) > 0);
//!
//! // From here on nobody calls the listener.
//! drop(registration);
//! ```

use super::{
    netdevice::NetDevice,
    notifier::Chain,
    rtnl::Rtnl, //
};

use crate::bindings;

use core::marker::PhantomData;

use kernel::prelude::*;

/// What has happened to a device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceEvent {
    /// It was registered, or has come into its namespace (`NETDEV_REGISTER`).
    Comes,
    /// It is being unregistered, or leaves its namespace (`NETDEV_UNREGISTER`).
    Goes,
    /// Something else.
    Changes,
}

impl DeviceEvent {
    /// The event with the number `event` (`enum netdev_cmd`).
    fn from_raw(event: c_ulong) -> Self {
        match u32::try_from(event) {
            Ok(bindings::netdev_cmd_NETDEV_REGISTER) => Self::Comes,
            Ok(bindings::netdev_cmd_NETDEV_UNREGISTER) => Self::Goes,
            _ => Self::Changes,
        }
    }
}

/// Somebody who wants to know what happens to devices.
pub(crate) trait DeviceListener: 'static {
    /// Something has happened to `dev`. A device that moves goes in one namespace and comes in the
    /// other.
    fn device_changed(event: DeviceEvent, dev: &NetDevice, rtnl: &Rtnl);
}

/// The chain of device events (`register_netdevice_notifier()`).
///
/// When a listener registers, the chain tells of every device that exists, as if it came. When the
/// listener unregisters, the chain tells of them as if they went.
pub(crate) struct DeviceEvents<L: DeviceListener>(PhantomData<L>);

// SAFETY: The chain passes a `struct netdev_notifier_info`, and waits for callbacks when one is
// taken out.
unsafe impl<L: DeviceListener> Chain for DeviceEvents<L> {
    unsafe fn register(block: *mut bindings::notifier_block) -> c_int {
        // SAFETY: The contract of this function.
        unsafe { bindings::register_netdevice_notifier(block) }
    }

    unsafe fn unregister(block: *mut bindings::notifier_block) {
        // SAFETY: The contract of this function.
        unsafe { bindings::unregister_netdevice_notifier(block) };
    }

    unsafe fn called(event: c_ulong, data: *mut c_void) {
        let info: *const bindings::netdev_notifier_info = data.cast();
        // SAFETY: The contract of this function. The device and its namespace stay while RTNL is
        // held, which it is.
        let (dev, rtnl) = unsafe { (NetDevice::from_raw((*info).dev), Rtnl::assume()) };
        L::device_changed(DeviceEvent::from_raw(event), dev, rtnl);
    }
}
