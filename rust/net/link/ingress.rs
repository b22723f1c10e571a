// SPDX-License-Identifier: GPL-2.0

//! Devices that have a say in where their packets go, before the stack receives them.
//!
//! A packet that comes in by a device is shown to packet sockets, and to the programs of TC and
//! netfilter that the device has. Then it comes to [`DeviceOps::ingress`], if the device has asked
//! for that with [`Device::set_ingress`], and only then to the protocols.
//!
//! [`DeviceOps::ingress`]: super::DeviceOps::ingress
//!
//! C source: [`net/core/dev.c`](srctree/net/core/dev.c), `netdev_rx_handler_register()`,
//! `__netif_receive_skb_core()`
//!
//! # Examples
//!
//! ```
//! use crate::net::{
//!     link::{
//!         Device,
//!         LinkOps, //
//!     },
//!     rtnl::Rtnl, //
//! };
//!
//! fn switch<T: LinkOps>(dev: &Device<T>, on: bool, rtnl: &Rtnl) -> Result {
//!     if on {
//!         dev.set_ingress(rtnl)
//!     } else {
//!         dev.clear_ingress(rtnl);
//!         Ok(())
//!     }
//! }
//! # let _: fn(&Device<crate::net::tests::device::Plain>, bool, &Rtnl) -> Result = switch;
//! ```

use super::{
    device::Device,
    LinkOps, //
};

use crate::{
    bindings,
    net::{
        atomic::read_once,
        netdevice::NetDevice,
        rcu::held,
        rtnl::Rtnl,
        skb::{
            DropReason,
            OwnedSkBuff,
            SkBuff, //
        }, //
    }, //
};

use core::ptr;

use kernel::{
    error::to_result,
    prelude::*,
    sync::rcu, //
};

/// Where a packet goes that has come in by a device.
pub(crate) enum Verdict {
    /// To the protocols, as one that came in by the device.
    Pass,
    /// It comes in by another device, which it has now.
    ByOther,
    /// It is dropped.
    Drop(DropReason),
}

impl NetDevice {
    /// Has a packet, which has come in by another device and begins with its network header, come
    /// in by this one, as the packets of its members do, if this is a VRF. Returns whether it does.
    ///
    /// Packets that are for one device alone, and would be let in by a VRF only because it is not
    /// for them to come from outside, stay what they are, and so does what is not IP.
    pub(crate) fn receive_as_vrf(&self, skb: &mut SkBuff, _rcu: &rcu::Guard) -> bool {
        // SAFETY: The packet is valid and borrowed exclusively, and RCU is held. If the device is a
        // VRF, it has statistics of that kind.
        unsafe { bindings::datapath_vrf_rcv(self.as_raw(), skb.as_raw()) }
    }
}

impl<T: LinkOps> Device<T> {
    /// Asks for [`DeviceOps::ingress`](super::DeviceOps::ingress). Fails with `EBUSY` if somebody
    /// else handles the packets of the device, as Open vSwitch does.
    pub(crate) fn set_ingress(&self, _rtnl: &Rtnl) -> Result {
        // SAFETY: The device is registered, RTNL is held, and the function stays as long as the
        // device, whose unregistration takes it away.
        to_result(unsafe {
            bindings::netdev_rx_handler_register(
                self.as_raw(),
                Some(Self::rx_handler),
                ptr::null_mut(),
            )
        })
    }

    /// Returns whether somebody else may take packets away that come in by the device, before the
    /// stack has them.
    #[inline]
    pub(crate) fn has_ingress_hooks(&self, rcu: &rcu::Guard) -> bool {
        // SAFETY: The device is live; the field is only compared.
        let handler = unsafe { read_once(&raw const (*self.as_raw()).rx_handler) };
        self.has_ingress_programs(rcu) || handler.is_some_and(|it| !Self::is_rx_handler(it))
    }

    /// Returns whether `handler` is [`Self::rx_handler`].
    fn is_rx_handler(
        handler: unsafe extern "C" fn(*mut *mut bindings::sk_buff) -> bindings::rx_handler_result_t,
    ) -> bool {
        handler as usize == Self::rx_handler as *const () as usize
    }

    /// Ends what [`Self::set_ingress`] has begun, if it has, and waits until no packet is handled.
    pub(crate) fn clear_ingress(&self, _rtnl: &Rtnl) {
        // SAFETY: The device is live, and RTNL protects the field.
        let handler = unsafe { (*self.as_raw()).rx_handler };
        if handler.is_some_and(Self::is_rx_handler) {
            // SAFETY: The handler is ours, and RTNL is held.
            unsafe { bindings::netdev_rx_handler_unregister(self.as_raw()) };
        }
    }

    /// Calls [`DeviceOps::ingress`](super::DeviceOps::ingress) (`rx_handler_func_t`).
    ///
    /// # Safety
    ///
    /// The kernel calls this in a critical section, for a packet that has come in by a device of
    /// this kind, and takes it back or leaves it.
    unsafe extern "C" fn rx_handler(
        packet: *mut *mut bindings::sk_buff,
    ) -> bindings::rx_handler_result_t {
        // SAFETY: The contract of this function.
        let rcu = unsafe { held() };
        // SAFETY: The packet is valid.
        let mut raw = unsafe { *packet };
        // Whoever the packet was shown to may still have it.
        //
        // SAFETY: As above. What is returned takes the place of the packet.
        unsafe {
            if read_once(&raw const (*raw).users.refs.counter) != 1 {
                raw = bindings::skb_share_check(raw, kernel::bindings::GFP_ATOMIC);
                *packet = raw;
            }
        }
        if raw.is_null() {
            return bindings::rx_handler_result_RX_HANDLER_CONSUMED;
        }
        // SAFETY: The packet is valid and ours.
        let skb = unsafe { SkBuff::from_raw(raw) };
        let dev = skb.device(&rcu).and_then(NetDevice::downcast::<T>);
        match dev.map_or(Verdict::Pass, |dev| T::ingress(dev, skb, &rcu)) {
            Verdict::Pass => bindings::rx_handler_result_RX_HANDLER_PASS,
            Verdict::ByOther => bindings::rx_handler_result_RX_HANDLER_ANOTHER,
            Verdict::Drop(reason) => {
                // SAFETY: The packet is ours, and the kernel does not look at it any more.
                unsafe { OwnedSkBuff::from_raw(raw) }.free(reason);
                bindings::rx_handler_result_RX_HANDLER_CONSUMED
            }
        }
    }
}
