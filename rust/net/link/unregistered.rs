// SPDX-License-Identifier: GPL-2.0

//! Devices that are being made.

use crate::{
    bindings,
    net::{
        atomic::read_once,
        netdevice::{
            Features,
            NetDevice, //
        }, //
    }, //
};

use core::marker::PhantomData;

use kernel::num::casts::u32_into_u16;

/// A device that nobody else can see yet.
pub(crate) struct UnregisteredDevice<'a> {
    dev: *mut bindings::net_device,
    _dev: PhantomData<&'a mut bindings::net_device>,
}

impl UnregisteredDevice<'_> {
    /// # Safety
    ///
    /// `dev` is valid, and nobody else uses it for as long as the result is used.
    pub(super) unsafe fn from_raw(dev: *mut bindings::net_device) -> Self {
        Self {
            dev,
            _dev: PhantomData,
        }
    }

    /// What devices without a link layer of their own, which send and receive IP packets, have:
    /// no ARP, MTU 1500 (68 to 65,535 bytes), and the `dst` kept on transmit.
    pub(crate) fn set_tunnel_defaults(&mut self) {
        // SAFETY: The type has exclusive access to the device.
        let dev = unsafe { &mut *self.dev };
        dev.header_ops = &raw const bindings::ip_tunnel_header_ops;
        dev.type_ = u32_into_u16::<{ bindings::ARPHRD_NONE }>();
        dev.mtu = bindings::ETH_DATA_LEN;
        dev.min_mtu = bindings::ETH_MIN_MTU;
        dev.max_mtu = bindings::IP_MAX_MTU;
        dev.flags = bindings::net_device_flags_IFF_NOARP;
        // SAFETY: As above.
        unsafe { bindings::netif_keep_dst(self.dev) };
        // SAFETY: As above.
        unsafe { bindings::eth_broadcast_addr((&raw mut (*self.dev).broadcast).cast()) };
    }

    /// The device needs no transmit lock.
    pub(crate) fn set_lockless(&mut self) {
        // SAFETY: The type has exclusive access to the device.
        let fields = unsafe { &mut (*self.dev).__bindgen_anon_1.__bindgen_anon_1 };
        fields.set_lltx(1);
    }

    /// Offers `features`, which can be switched on and off, and switches them on.
    pub(crate) fn add_features(&mut self, features: Features) {
        // SAFETY: The type has exclusive access to the device.
        let dev = unsafe { &mut *self.dev };
        dev.hw_features |= u64::from(features);
        dev.features |= u64::from(features);
    }

    /// Takes over what the device `lower`, over which this one sends, needs in front of and behind
    /// a packet, and its hardware address if this one has none.
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

    /// Chooses a random hardware address.
    pub(crate) fn randomise_address(&mut self) {
        // SAFETY: The type has exclusive access to the device.
        unsafe { bindings::eth_hw_addr_random(self.dev) };
    }

    fn has_no_address(&self) -> bool {
        // SAFETY: Every device has an address of MAX_ADDR_LEN bytes, of which 6 are looked at.
        let address: [u8; 6] = unsafe { *(*self.dev).dev_addr.cast() };
        address == [0; 6]
    }
}
