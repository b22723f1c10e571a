// SPDX-License-Identifier: GPL-2.0

//! Devices that are kept beyond the critical section in which they were found.

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

/// A device of the kind `T` that is kept: there is memory of it until this is dropped, and its
/// removal waits for that.
///
/// It may have been unregistered, and its namespaces be gone. So nothing can be done with it but to
/// ask for the device, which is there as long as it is registered.
///
/// # Invariants
///
/// The pointer is to a device, of which this value holds a reference, and whose private area is an
/// initialised [`Private<T>`].
pub(crate) struct KeptDevice<T: LinkOps> {
    dev: NonNull<bindings::net_device>,
    _kind: PhantomData<T>,
}

// SAFETY: `struct net_device` is shared between CPUs, and so is the private data.
unsafe impl<T: LinkOps> Send for KeptDevice<T> {}
// SAFETY: As above.
unsafe impl<T: LinkOps> Sync for KeptDevice<T> {}

impl<T: LinkOps> KeptDevice<T> {
    /// Keeps a device.
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

    /// The device, unless it was unregistered.
    pub(crate) fn get<'g>(&self, _rcu: &'g rcu::Guard) -> Option<&'g Device<T>> {
        // SAFETY: By the type invariant the device is live, and of this kind; RCU is held.
        unsafe { Device::if_registered(self.dev.as_ptr()) }
    }

    /// Whether it is `dev` that is kept.
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
