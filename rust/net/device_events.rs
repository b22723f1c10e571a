// SPDX-License-Identifier: GPL-2.0

//! What happens to network devices: they come and go, are switched on and off, lose their carrier,
//! move into VRFs and namespaces, get another MTU.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

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

/// The chain that tells of devices (`register_netdevice_notifier()`). Of those that are there when
/// somebody begins to listen, or stops, it tells as if they came, or went.
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
