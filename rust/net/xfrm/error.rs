// SPDX-License-Identifier: GPL-2.0

//! ICMP and ICMPv6 errors about IPsec packets that were sent.
//!
//! Routers send them when a packet is too large for the path, or when another router is nearer to
//! its destination. An error quotes the packet that it is about: that is encrypted, so the SPI in
//! it is all that says which connection it belongs to. [`IcmpError`] finds the state with that SPI,
//! and changes the MTU or the router of the route that the packet took.
//!
//! Errors come by [`Handler::error`](super::Handler::error), in softirq context, under RCU.
//!
//! C sources: `xfrmi4_err()` and `xfrmi6_err()` in
//! [`net/xfrm/xfrm_interface_core.c`](srctree/net/xfrm/xfrm_interface_core.c)
//!
//! # Examples
//!
//! A driver that sends packets of the connection 7, and of no other, through the device with the
//! index 3:
//!
//! ```
//! use crate::net::xfrm::IcmpError;
//! use kernel::sync::rcu;
//!
//! fn handle(mut error: IcmpError<'_>, rcu: &rcu::Guard) -> bool {
//!     if error.state().if_id() != 7 {
//!         // Another handler may know the state.
//!         return false;
//!     }
//!     error.apply(3, rcu);
//!     true
//! }
//! # let _: fn(IcmpError<'_>, &rcu::Guard) -> bool = handle;
//! ```

use super::{
    state::OwnedState,
    Protocol,
    Spi,
    State, //
};

use crate::{
    bindings,
    net::{
        dst::Dst,
        netdevice::NetDevice,
        skb::SkBuff,
        Family, //
    }, //
};

use core::mem::offset_of;

use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    }, //
};

/// An ICMP or ICMPv6 error about an IPsec packet that this host has sent, which asks for a smaller
/// MTU or another router.
///
/// # Invariants
///
/// `skb` begins with the packet, as far as it is quoted, and holds its whole network header, which
/// is one of `family`. It has come in by a device.
pub(crate) struct IcmpError<'a> {
    /// The error, from the packet on that it quotes.
    skb: &'a mut SkBuff,
    /// What it asks for.
    request: Request,
    /// The family of the error, and of the packet that it quotes.
    family: Family,
    /// The protocol of the packet that it quotes.
    protocol: Protocol,
    /// The state that this packet went through.
    state: OwnedState,
}

impl<'a> IcmpError<'a> {
    /// The IPv4 error in `skb`, which begins with the packet that it quotes. `info` is its MTU, in
    /// bytes.
    ///
    /// Returns `None` if the error asks for nothing, or is about a state that is not there.
    pub(super) fn from_icmp(skb: &'a mut SkBuff, info: u32, rcu: &rcu::Guard) -> Option<Self> {
        let request = Request::from_icmp(skb, info)?;
        let [version_ihl] = skb.bytes(0)?;
        let [protocol] = skb.bytes(offset_of!(bindings::iphdr, protocol))?;
        let offset = usize::from(version_ihl & 0xf) * 4;
        Self::new(skb, Family::Inet, protocol, offset, request, rcu)
    }

    /// As [`Self::from_icmp`], for an IPv6 error of type `kind`. The IPsec header comes after
    /// `offset` bytes.
    pub(super) fn from_icmpv6(
        skb: &'a mut SkBuff,
        kind: u8,
        offset: usize,
        info: u32,
        rcu: &rcu::Guard,
    ) -> Option<Self> {
        let request = Request::from_icmpv6(kind, info)?;
        let [protocol] = skb.bytes(offset_of!(bindings::ipv6hdr, nexthdr))?;
        Self::new(skb, Family::Inet6, protocol, offset, request, rcu)
    }

    /// The error about the packet that `skb` begins with, if its state is there. The IPsec header
    /// comes after `offset` bytes.
    fn new(
        skb: &'a mut SkBuff,
        family: Family,
        protocol: u8,
        offset: usize,
        request: Request,
        rcu: &rcu::Guard,
    ) -> Option<Self> {
        let protocol = Protocol::from_raw(protocol)?;
        let spi = match protocol {
            Protocol::Esp => Spi::from_packet(skb.bytes(offset)?),
            Protocol::Ah => {
                let offset = offset.checked_add(offset_of!(bindings::ip_auth_hdr, spi))?;
                Spi::from_packet(skb.bytes(offset)?)
            }
            Protocol::Comp => {
                let offset = offset.checked_add(offset_of!(bindings::ip_comp_hdr, cpi))?;
                Spi::from_cpi(skb.bytes(offset)?)
            }
        };
        let net = skb.device(rcu)?.net(rcu);
        let state = State::find(net, skb, family, protocol, spi)?;
        // INVARIANT: The look-up has found the destination where headers of this family have it, at
        // the end; the device was there above.
        Some(Self {
            skb,
            request,
            family,
            protocol,
            state,
        })
    }

    /// The state that the quoted packet went through.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// The device that the error came in by, as long as that is there.
    pub(crate) fn device<'g>(&self, rcu: &'g rcu::Guard) -> Option<&'g NetDevice> {
        self.skb.device(rcu)
    }

    /// The route that the quoted packet took, looked up by [`State::route`], whose errors it has.
    ///
    /// `oif` is the index, in the namespace of the state, of the device that the packet was to
    /// leave through, 0 for none. That device stands for its VRF, and for no more. Fails with
    /// `EINVAL` also if the packet is cut off before its TOS.
    pub(crate) fn route(&self, oif: c_int) -> Result<ARef<Dst>> {
        let tos = match self.family {
            Family::Inet => {
                let [tos] = self
                    .skb
                    .bytes(offset_of!(bindings::iphdr, tos))
                    .ok_or(EINVAL)?;
                tos
            }
            // The route of an IPv6 packet that was transformed is looked up without one.
            Family::Inet6 => 0,
        };
        self.state.route(oif, tos, self.route_mark())
    }

    /// The mark by which that route is looked up, in host byte order. A state may leave bits of a
    /// packet's own mark as they are: those are taken from the error, if marks are to be reflected
    /// (`fwmark_reflect`), else they are 0.
    fn route_mark(&self) -> u32 {
        let mark = self.skb.reply_mark(self.family, self.state.net());
        self.state.route_mark(mark)
    }

    /// Does what the error asks for to the [route](Self::route) of the quoted packet. `oif` is the
    /// index of the device that the packet was to leave through, 0 for none.
    ///
    /// The same look-up is made as for the packet; without a route nothing happens. A redirect of
    /// IPv6 changes a route through the device that the error came in by.
    pub(crate) fn apply(&mut self, oif: c_int, rcu: &rcu::Guard) {
        let net = self.state.net();
        let vrf = NetDevice::by_index(net, oif, rcu).map_or(0, |dev| dev.l3mdev_ifindex(rcu));
        let protocol = self.protocol.as_raw();
        let mark = self.route_mark();
        let (net, skb) = (net.as_raw(), self.skb.as_raw());
        match (self.family, self.request) {
            // These functions find the route for IPv4 themselves, but can't be told a mark.
            (Family::Inet, Request::Mtu(mtu)) if mark == 0 => {
                // SAFETY: The type invariant; the packet is valid, and the namespace live.
                unsafe { bindings::datapath_ipv4_update_pmtu(skb, net, mtu, vrf, protocol) };
            }
            (Family::Inet, Request::Redirect) if mark == 0 => {
                // SAFETY: As above.
                unsafe { bindings::ipv4_redirect(skb, net, vrf, protocol) };
            }
            (Family::Inet6, Request::Redirect) => {
                // SAFETY: As above.
                unsafe { bindings::datapath_ip6_redirect(skb, net, mark) };
            }
            (_, Request::Mtu(mtu)) => {
                let Ok(route) = self.route(vrf) else {
                    return;
                };
                // SAFETY: As above; the route is one of that family, whose operations there are,
                // and RCU is held.
                unsafe { bindings::datapath_dst_update_pmtu(route.as_raw(), skb, mark, mtu) };
            }
            (Family::Inet, Request::Redirect) => {
                let Ok(route) = self.route(vrf) else {
                    return;
                };
                // SAFETY: As above.
                unsafe { bindings::datapath_dst_redirect(route.as_raw(), skb, mark) };
            }
        }
    }
}

/// What an error that came in asks for.
#[derive(Clone, Copy)]
enum Request {
    /// Send packets of at most this many bytes (`ICMP_FRAG_NEEDED`, `ICMPV6_PKT_TOOBIG`).
    Mtu(u32),
    /// Send packets for the destination through another router (`ICMP_REDIRECT`,
    /// `NDISC_REDIRECT`).
    Redirect,
}

impl Request {
    /// What the IPv4 error in `skb` asks for, if it is one of these. `info` is its MTU, in bytes.
    fn from_icmp(skb: &SkBuff, info: u32) -> Option<Self> {
        let (kind, code) = skb.icmp_type_code()?;
        match (u32::from(kind), u32::from(code)) {
            (bindings::ICMP_DEST_UNREACH, bindings::ICMP_FRAG_NEEDED) => Some(Self::Mtu(info)),
            (bindings::ICMP_REDIRECT, _) => Some(Self::Redirect),
            _ => None,
        }
    }

    /// What the IPv6 error of type `kind` asks for, if it is one of these. `info` is its MTU, in
    /// bytes.
    fn from_icmpv6(kind: u8, info: u32) -> Option<Self> {
        match u32::from(kind) {
            bindings::ICMPV6_PKT_TOOBIG => Some(Self::Mtu(info)),
            bindings::NDISC_REDIRECT => Some(Self::Redirect),
            _ => None,
        }
    }
}
