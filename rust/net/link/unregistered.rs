// SPDX-License-Identifier: GPL-2.0

//! Devices that are being made.
//!
//! The kernel calls a driver for a new device before anybody else can see it. So the driver may
//! set fields that are constant later. It does so in process context.
//!
//! C headers: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h),
//! [`include/linux/etherdevice.h`](srctree/include/linux/etherdevice.h)
//!
//! # Examples
//!
//! A tunnel device is set up in two steps, by [`LinkOps::setup`](super::LinkOps::setup) and
//! [`DeviceOps::init`](super::DeviceOps::init):
//!
//! ```
//! use crate::net::{
//!     link::UnregisteredDevice,
//!     net_namespace::Net,
//!     netdevice::{
//!         Feature,
//!         NetDevice, //
//!     }, //
//! };
//!
//! use kernel::sync::rcu;
//!
//! fn setup(dev: &mut UnregisteredDevice<'_>) {
//!     dev.set_tunnel_defaults();
//!     dev.set_lockless();
//! }
//!
//! fn init(dev: &mut UnregisteredDevice<'_>, link_net: &Net, link: c_int) {
//!     dev.add_features(Feature::Sg | Feature::GsoSoftware);
//!     match NetDevice::by_index(link_net, link, &rcu::read_lock()) {
//!         Some(lower) => dev.inherit(lower),
//!         None => dev.randomise_address(),
//!     }
//! }
//! # let _: fn(&mut UnregisteredDevice<'_>) = setup;
//! # let _: fn(&mut UnregisteredDevice<'_>, &Net, c_int) = init;
//! ```

use crate::{
    bindings,
    compat::casts::u32_into_u16,
    net::{
        atomic::read_once,
        netdevice::{
            Features,
            NetDevice, //
        }, //
    }, //
};

use core::marker::PhantomData;

/// A device that nobody else can see yet.
pub(crate) struct UnregisteredDevice<'a> {
    dev: *mut bindings::net_device,
    _dev: PhantomData<&'a mut bindings::net_device>,
}

impl UnregisteredDevice<'_> {
    /// Wraps the device that a callback is given.
    ///
    /// # Safety
    ///
    /// `dev` is valid, and nobody else uses it for as long as the result is used.
    pub(super) unsafe fn from_raw(dev: *mut bindings::net_device) -> Self {
        Self {
            dev,
            _dev: PhantomData,
        }
    }

    /// Sets what devices without a link layer of their own have, which send and receive IP packets:
    /// no ARP (`IFF_NOARP`), an MTU of 1500 bytes (68 to 65,535), and a `dst` that stays attached
    /// when a packet is sent (`netif_keep_dst()`).
    pub(crate) fn set_tunnel_defaults(&mut self) {
        // SAFETY: The type has exclusive access to the device.
        let dev = unsafe { &mut *self.dev };
        dev.header_ops = &raw const bindings::ip_tunnel_header_ops;
        dev.type_ = u32_into_u16::<{ bindings::ARPHRD_NONE }>();
        dev.mtu = bindings::ETH_DATA_LEN;
        dev.min_mtu = bindings::ETH_MIN_MTU;
        dev.max_mtu = bindings::IP_MAX_MTU;
        dev.flags = bindings::net_device_flags_IFF_NOARP;
        // SAFETY: The type has exclusive access to the device.
        unsafe { bindings::netif_keep_dst(self.dev) };
        // SAFETY: The type has exclusive access to the device, whose address has room for this one.
        unsafe { bindings::eth_broadcast_addr((&raw mut (*self.dev).broadcast).cast()) };
    }

    /// Says that the device needs no transmit lock (`dev->lltx`).
    pub(crate) fn set_lockless(&mut self) {
        // SAFETY: The type has exclusive access to the device.
        let fields = unsafe { &mut (*self.dev).__bindgen_anon_1.__bindgen_anon_1 };
        fields.set_lltx(1);
    }

    /// Offers `features`, which the administrator can switch on and off (`dev->hw_features`), and
    /// switches them on.
    pub(crate) fn add_features(&mut self, features: Features) {
        // SAFETY: The type has exclusive access to the device.
        let dev = unsafe { &mut *self.dev };
        dev.hw_features |= u64::from(features);
        dev.features |= u64::from(features);
    }

    /// Lets the administrator have the stack hand over TCP segments of more than 65,536 bytes (BIG
    /// TCP, `netif_set_tso_max_size()`): up to `GSO_MAX_SIZE`, 524,280. At first it does not.
    pub(crate) fn allow_big_tcp(&mut self) {
        // SAFETY: The type has exclusive access to the device.
        unsafe { bindings::netif_set_tso_max_size(self.dev, bindings::GSO_MAX_SIZE) };
    }

    /// Takes over from `lower`, the device over which this one sends, the room that it needs in
    /// front of packets and behind them. Takes over its hardware address, too, if this device has
    /// none (`eth_hw_addr_inherit()`).
    pub(crate) fn inherit(&mut self, lower: &NetDevice) {
        // SAFETY: `lower` is live; the fields are read once.
        let (headroom, tailroom) = unsafe {
            let lower = lower.as_raw();
            (
                read_once(&raw const (*lower).needed_headroom),
                read_once(&raw const (*lower).needed_tailroom),
            )
        };
        // SAFETY: The type has exclusive access to the device.
        let dev = unsafe { &mut *self.dev };
        dev.needed_headroom = headroom;
        dev.needed_tailroom = tailroom;
        if self.has_no_address() {
            // SAFETY: Both devices are valid.
            unsafe { bindings::eth_hw_addr_inherit(self.dev, lower.as_raw()) };
        }
    }

    /// Chooses a random hardware address (`eth_hw_addr_random()`).
    pub(crate) fn randomise_address(&mut self) {
        // SAFETY: The type has exclusive access to the device.
        unsafe { bindings::eth_hw_addr_random(self.dev) };
    }

    /// Returns whether the hardware address is still zero.
    fn has_no_address(&self) -> bool {
        // SAFETY: Every device has an address of MAX_ADDR_LEN bytes, of which 6 are looked at.
        let address: [u8; 6] = unsafe { *(*self.dev).dev_addr.cast() };
        address == [0; 6]
    }
}
