// SPDX-License-Identifier: GPL-2.0

//! Where a packet that is on its way out comes from.
//!
//! The kernel looks up the way of an ICMP error in the VRF of the packet's device. For a packet
//! that a tunnel device can't send that is the tunnel device, which may carry packets of many VRFs
//! and be in none of them. The sender is found in the VRF from which the packet came. So is a router
//! that the packet's route names.
//!
//! All of it is called where devices transmit packets.
//!
//! C source: `icmp_get_route_lookup_dev()` in [`net/ipv4/icmp.c`](srctree/net/ipv4/icmp.c),
//! `icmp6_send()` in [`net/ipv6/icmp.c`](srctree/net/ipv6/icmp.c)
//!
//! # Examples
//!
//! A device tells the sender of a packet that it can't be sent:
//!
//! ```
//! use crate::net::skb::SkBuff;
//!
//! use kernel::sync::rcu;
//!
//! fn tell(skb: &mut SkBuff, send_error: fn(&mut SkBuff), rcu: &rcu::Guard) {
//!     skb.as_if_from_origin(rcu, send_error);
//! }
//!
//! # use crate::net::tests::packet::packet;
//! // Nobody knows where this packet comes from, which changes nothing.
//! tell(&mut *packet(&[0; 20])?, |skb| assert_eq!(skb.len(), 20), &rcu::read_lock());
//! ```

use super::{
    dst::SkbDst,
    flow::Flow,
    net_namespace::Net,
    netdevice::NetDevice,
    skb::SkBuff,
    Family, //
};

use crate::bindings;

use kernel::{
    prelude::*,
    sync::rcu, //
};

impl SkBuff {
    /// Calls `f`, which sends an ICMP error about the packet, with a device of the VRF that the
    /// packet came from in the place of the packet's device, if that is in another VRF.
    pub(crate) fn as_if_from_origin(&mut self, rcu: &rcu::Guard, f: impl FnOnce(&mut Self)) {
        let dev = self.device(rcu);
        let origin = dev.and_then(|dev| self.origin(dev, rcu));
        let Some((dev, origin)) = dev.zip(origin) else {
            return f(self);
        };
        self.set_device(origin, rcu);
        f(self);
        self.set_device(dev, rcu);
    }

    /// Returns whether the packet was received in another VRF than that of its device.
    pub(crate) fn is_from_other_vrf(&mut self, rcu: &rcu::Guard) -> bool {
        let dev = self.device(rcu);
        self.received_ifindex() != 0 && dev.is_some_and(|dev| self.origin(dev, rcu).is_some())
    }

    /// Returns the index of the VRF in which the packet's route was looked up, 0 for none, where
    /// `dev` is about to transmit it. `None` if that can't be told: the kernel answers pings and the
    /// like from sockets that are bound to no VRF.
    pub(crate) fn vrf_of_route(&mut self, family: Family, dev: &NetDevice) -> Option<c_int> {
        if !self.has_route_and_header(family) {
            return None;
        }
        // SAFETY: The packet is valid, has a route of its family, and a header in one piece.
        let vrf = unsafe { bindings::datapath_skb_route_vrf(self.as_raw(), dev.as_raw()) };
        (vrf >= 0).then_some(vrf)
    }

    /// Returns whether the packet has a route of `family`, and its header in one piece.
    fn has_route_and_header(&mut self, family: Family) -> bool {
        let has_header = match family {
            Family::Inet => self.network_header::<20>().is_some(),
            Family::Inet6 => self.network_header::<40>().is_some(),
        };
        has_header && matches!(self.dst(), SkbDst::Route(route) if route.is_of(family))
    }

    /// Returns whether addresses of the packet's connection are translated (`IPS_NAT_MASK`).
    pub(crate) fn has_nat(&self) -> bool {
        // SAFETY: The packet is valid.
        unsafe { bindings::datapath_skb_has_nat(self.as_raw()) }
    }

    /// Returns a device of the VRF that the packet came from. `None` if that is the one of `dev`,
    /// or is not known, or the sender can't be reached there, as with routes that lead out of a VRF
    /// but not back into it.
    fn origin<'g>(&mut self, dev: &NetDevice, rcu: &'g rcu::Guard) -> Option<&'g NetDevice> {
        let net = dev.net(rcu);
        let ifindex = match self.received_ifindex() {
            // SAFETY: The packet is valid, and the namespace live.
            0 => unsafe { bindings::datapath_skb_bound_ifindex(self.as_raw(), net.as_raw()) },
            ifindex => ifindex,
        };
        let origin = NetDevice::by_index(net, ifindex, rcu)?;
        let vrf = origin.l3mdev_ifindex(rcu);
        if vrf == dev.l3mdev_ifindex(rcu) {
            return None;
        }
        // The sender of a packet that was not received has told by its socket. And where addresses
        // are translated, the one in the packet is not the sender's.
        let is_known = self.received_ifindex() == 0 || self.has_nat();
        (is_known || self.is_answered_in(vrf, net, dev)).then_some(origin)
    }

    /// Returns whether an error about the packet, which was received, would find its sender in the
    /// VRF with the index `vrf`, 0 for none; and not at `dev`, because it was sent from here: IPsec
    /// may have put a packet that was received into one of our own.
    fn is_answered_in(&mut self, vrf: c_int, net: &Net, dev: &NetDevice) -> bool {
        let Some(family) = self.family() else {
            return false;
        };
        if !self.has_route_and_header(family) {
            return false;
        }
        // SAFETY: The packet is valid, has a route of its family, and a header in one piece.
        let is_from_here =
            unsafe { bindings::datapath_skb_is_from_here(self.as_raw(), dev.as_raw()) };
        let mark = self.reply_mark(family, net);
        !is_from_here
            && Flow::of(self, family, net).is_ok_and(|flow| {
                let mut error = flow.error(mark);
                error.set_output_device(vrf);
                error.route(net).is_ok()
            })
    }
}
