// SPDX-License-Identifier: GPL-2.0

//! The callbacks of a device, as the kernel calls them.
//!
//! Each callback turns what the kernel passes into safe values, and calls a method of
//! [`DeviceOps`](super::DeviceOps). The statistics callback is the kernel's own. For an example see
//! the [parent module](super).
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h), `struct
//! net_device_ops`
//!
//! # Examples
//!
//! A [`Kind`](super::Kind) refers to the operations, and gives them to each of its devices:
//!
//! ```
//! use crate::net::link::{
//!     Device,
//!     DeviceOps,
//!     LinkOps, //
//! };
//!
//! fn bound_to<T: LinkOps>(dev: &Device<T>) -> c_int {
//!     // What the kernel's callback `ndo_get_iflink` returns.
//!     dev.data().get_iflink()
//! }
//! # use crate::net::tests::device::Plain;
//! # let _: fn(&Device<Plain>) -> c_int = bound_to;
//! ```

use super::{
    device::Device,
    private::Private,
    unregistered::UnregisteredDevice,
    LinkOps, //
};

use crate::{
    bindings,
    net::{
        rcu::with_softirqs_disabled,
        rtnl::Rtnl,
        skb::{
            DropReason,
            OwnedSkBuff, //
        }, //
    }, //
};

use core::marker::PhantomData;

use kernel::{
    prelude::*,
    sync::rcu, //
};

/// Holds the callbacks of the kind `T`.
pub(in crate::net) struct VTable<T: LinkOps>(PhantomData<T>);

impl<T: LinkOps> VTable<T> {
    /// The callbacks (`struct net_device_ops`).
    pub(in crate::net) const OPS: bindings::net_device_ops = bindings::net_device_ops {
        ndo_init: Some(Self::init),
        ndo_uninit: Some(Self::uninit),
        ndo_start_xmit: Some(Self::start_xmit),
        ndo_get_stats64: Some(bindings::dev_get_tstats64),
        ndo_get_iflink: Some(Self::get_iflink),
        ..pin_init::zeroed()
    };

    /// Calls [`DeviceOps::init`](super::DeviceOps::init) (`ndo_init`).
    ///
    /// # Safety
    ///
    /// The kernel calls this while it registers a device of this kind, with RTNL held.
    unsafe extern "C" fn init(dev: *mut bindings::net_device) -> c_int {
        // SAFETY: The registration calls this before anyone else can see the device, whose private
        // data `newlink` has initialised.
        let (data, link_net) = unsafe {
            let private = &*Private::<T>::of(dev);
            (private.data(), private.link_net())
        };
        // SAFETY: The registration calls this before anyone else can see the device.
        let mut unregistered = unsafe { UnregisteredDevice::from_raw(dev) };
        // SAFETY: The kernel calls this with RTNL held.
        let rtnl = unsafe { Rtnl::assume() };
        data.init(&mut unregistered, link_net, rtnl);
        0
    }

    /// Calls [`DeviceOps::uninit`](super::DeviceOps::uninit), and takes the device out of the list
    /// of its namespace (`ndo_uninit`).
    ///
    /// # Safety
    ///
    /// The kernel calls this once, with RTNL held, while it unregisters a device of this kind, or
    /// when it could not register one.
    unsafe extern "C" fn uninit(dev: *mut bindings::net_device) {
        // SAFETY: The kernel calls this once, with RTNL held, before the private data goes.
        let rtnl = unsafe { Rtnl::assume() };
        // SAFETY: The device is valid, and RTNL is held.
        let state = u32::from(unsafe { (*dev).reg_state });
        // The driver has seen only a device that was registered. For others the kernel does not
        // wait until the references to them are gone, either.
        if state == bindings::netdev_reg_state_NETREG_UNREGISTERING {
            // SAFETY: The device has been registered until now, and RTNL is still held.
            let dev = unsafe { Device::<T>::from_raw(dev) };
            dev.clear_ingress(rtnl);
            dev.unwatch_routes(rtnl);
            T::uninit(dev, rtnl);
        }
        // From here on nobody finds it registered.
        //
        // SAFETY: The device is of this kind, and its private data are initialised. The kernel
        // waits for a grace period before it releases RTNL and frees the device, if others could
        // see it.
        unsafe { Private::<T>::unlink(dev, rtnl) };
    }

    /// Calls [`DeviceOps::start_xmit`](super::DeviceOps::start_xmit), if the device is registered
    /// (`ndo_start_xmit`).
    ///
    /// # Safety
    ///
    /// The kernel calls this for a device of this kind that has been registered, with softirqs
    /// disabled, and hands over the packet.
    pub(super) unsafe extern "C" fn start_xmit(
        skb: *mut bindings::sk_buff,
        dev: *mut bindings::net_device,
    ) -> bindings::netdev_tx_t {
        // SAFETY: The callback takes over the packet.
        let skb = unsafe { OwnedSkBuff::from_raw(skb) };
        let start_xmit = |rcu: &rcu::Guard| {
            // Packet sockets that bypass the queues look whether the device is up before they
            // disable softirqs. So they may get here when it has been unregistered.
            //
            // SAFETY: The kernel calls this for a device that it has a reference to, in a critical
            // section.
            match unsafe { Device::if_registered(dev) } {
                Some(dev) => T::start_xmit(dev, skb, rcu),
                None => skb.free(DropReason::DEV_READY),
            }
        };
        // SAFETY: The kernel calls this with softirqs disabled.
        unsafe { with_softirqs_disabled(start_xmit) };
        bindings::netdev_tx_NETDEV_TX_OK
    }

    /// Calls [`DeviceOps::get_iflink`](super::DeviceOps::get_iflink) (`ndo_get_iflink`).
    ///
    /// # Safety
    ///
    /// The kernel calls this for a device of this kind whose private data is initialised.
    unsafe extern "C" fn get_iflink(dev: *const bindings::net_device) -> c_int {
        // SAFETY: The kernel calls this for devices that `newlink` has got as far as registering,
        // and may do so when they were unregistered.
        unsafe { (*Private::<T>::of(dev.cast_mut())).data() }.get_iflink()
    }
}
