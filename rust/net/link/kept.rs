// SPDX-License-Identifier: GPL-2.0

//! Devices that are kept beyond the critical section in which they were found.
//!
//! To keep a device and to let go of it is possible in any context. Who keeps a device has to let
//! go of it when it is unregistered ([`DeviceOps::uninit`](super::DeviceOps::uninit)), because its
//! removal waits for that.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)
//!
//! # Examples
//!
//! A driver remembers the device that a packet was for:
//!
//! ```
//! use crate::net::{
//!     link::{
//!         Device,
//!         KeptDevice,
//!         LinkOps, //
//!     },
//!     net_namespace::Net, //
//! };
//!
//! use kernel::sync::rcu;
//!
//! struct Remembered<T: LinkOps> {
//!     dev: KeptDevice<T>,
//! }
//!
//! impl<T: LinkOps> Remembered<T> {
//!     fn new(dev: &Device<T>) -> Self {
//!         Self { dev: KeptDevice::new(dev) }
//!     }
//!
//!     /// Whether the device still exists, and sends to `net`.
//!     fn sends_to(&self, net: &Net, rcu: &rcu::Guard) -> bool {
//!         self.dev.get(rcu).is_some_and(|dev| dev.link_net().is(net))
//!     }
//! }
//! # use crate::net::tests::device::Plain;
//! # let _: fn(&Device<Plain>) -> Remembered<Plain> = Remembered::new;
//! # let _: fn(&Remembered<Plain>, &Net, &rcu::Guard) -> bool = Remembered::sends_to;
//! ```

use super::{
    device::Device,
    LinkOps, //
};

use crate::{
    bindings,
    net::netdevice::NetDevice, //
};

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

use kernel::sync::rcu;

/// A device of the kind `T` that is kept: its memory stays until this is dropped, and its removal
/// waits for that.
///
/// The device may have been unregistered, and its namespaces may be gone. So [`Self::get`] is the
/// only way to use it, and finds it as long as it is registered.
///
/// # Invariants
///
/// The pointer is to a device. This value holds a reference to the device, whose private area is an
/// initialised [`Private<T>`](super::private::Private).
pub(crate) struct KeptDevice<T: LinkOps> {
    dev: NonNull<bindings::net_device>,
    _kind: PhantomData<T>,
}

// SAFETY: `struct net_device` is shared between CPUs, and so is the private data.
unsafe impl<T: LinkOps> Send for KeptDevice<T> {}
// SAFETY: As above.
unsafe impl<T: LinkOps> Sync for KeptDevice<T> {}

impl<T: LinkOps> KeptDevice<T> {
    /// Keeps `dev` (`dev_hold()`).
    pub(crate) fn new(dev: &Device<T>) -> Self {
        let dev = NonNull::from(&**dev).cast();
        // SAFETY: The reference shows that the device is live.
        unsafe { bindings::dev_hold(dev.as_ptr()) };
        // INVARIANT: It was just counted, and a `Device` has its private area initialised.
        Self {
            dev,
            _kind: PhantomData,
        }
    }

    /// Returns the device, unless it was unregistered. The reference is valid until the critical
    /// section ends.
    pub(crate) fn get<'g>(&self, _rcu: &'g rcu::Guard) -> Option<&'g Device<T>> {
        // SAFETY: By the type invariant the device is live, and of this kind; RCU is held.
        unsafe { Device::if_registered(self.dev.as_ptr()) }
    }

    /// Returns whether `dev` is the device that is kept.
    pub(crate) fn is(&self, dev: &NetDevice) -> bool {
        core::ptr::eq(self.dev.as_ptr(), dev.as_raw())
    }
}

impl<T: LinkOps> Drop for KeptDevice<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the reference is ours.
        unsafe { bindings::dev_put(self.dev.as_ptr()) };
    }
}
