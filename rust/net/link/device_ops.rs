// SPDX-License-Identifier: GPL-2.0

//! The operations of a device, as the kernel calls them.

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

/// The callbacks in `struct net_device_ops`.
pub(in crate::net) struct VTable<T: LinkOps>(PhantomData<T>);

impl<T: LinkOps> VTable<T> {
    pub(in crate::net) const OPS: bindings::net_device_ops = bindings::net_device_ops {
        ndo_init: Some(Self::init),
        ndo_uninit: Some(Self::uninit),
        ndo_start_xmit: Some(Self::start_xmit),
        ndo_get_stats64: Some(bindings::dev_get_tstats64),
        ndo_get_iflink: Some(Self::get_iflink),
        ..pin_init::zeroed()
    };

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
        // SAFETY: As above.
        let mut unregistered = unsafe { UnregisteredDevice::from_raw(dev) };
        // SAFETY: The kernel calls this with RTNL held.
        let rtnl = unsafe { Rtnl::assume() };
        data.init(&mut unregistered, link_net, rtnl);
        0
    }

    /// # Safety
    ///
    /// The kernel calls this once, with RTNL held, while it unregisters a device of this kind, or
    /// when it could not register one.
    unsafe extern "C" fn uninit(dev: *mut bindings::net_device) {
        // SAFETY: The kernel calls this once, with RTNL held, before the private data goes.
        let rtnl = unsafe { Rtnl::assume() };
        // SAFETY: As above.
        let state = u32::from(unsafe { (*dev).reg_state });
        // The driver has seen no other, nor does the kernel wait for references to those.
        if state == bindings::netdev_reg_state_NETREG_UNREGISTERING {
            // SAFETY: As above. It has been registered until now, and RTNL is still held.
            T::uninit(unsafe { Device::from_raw(dev) }, rtnl);
        }
        // From here on nobody finds it registered.
        //
        // SAFETY: As above.
        unsafe { Private::<T>::unlink(dev, rtnl) };
    }

    /// # Safety
    ///
    /// The kernel calls this for a device of this kind that has been registered, with softirqs
    /// disabled, and hands over the packet.
    unsafe extern "C" fn start_xmit(
        skb: *mut bindings::sk_buff,
        dev: *mut bindings::net_device,
    ) -> bindings::netdev_tx_t {
        // SAFETY: The callback takes over the packet.
        let skb = unsafe { OwnedSkBuff::from_raw(skb) };
        let start_xmit = |rcu: &rcu::Guard| {
            // Packet sockets that bypass the queues look whether the device is up before they
            // disable softirqs, and so may come when it has been unregistered.
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

    /// # Safety
    ///
    /// The kernel calls this for a device of this kind whose private data is initialised.
    unsafe extern "C" fn get_iflink(dev: *const bindings::net_device) -> c_int {
        // SAFETY: The kernel calls this for devices that `newlink` has got as far as registering,
        // and may do so when they were unregistered.
        unsafe { (*Private::<T>::of(dev.cast_mut())).data() }.get_iflink()
    }
}
