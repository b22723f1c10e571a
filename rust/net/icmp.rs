// SPDX-License-Identifier: GPL-2.0

//! ICMP and ICMPv6 errors: those that a device sends, and what those that come in change.
//!
//! C headers: [`include/net/icmp.h`](srctree/include/net/icmp.h),
//! [`include/linux/icmpv6.h`](srctree/include/linux/icmpv6.h)

use crate::{
    bindings,
    net::{
        dst::Attached,
        namespace::Net,
        skb::Skb,
        xfrm::Protocol,
        Family, //
    }, //
};

use kernel::prelude::*;

/// The smallest MTU that an IPv6 link may have, in bytes.
pub(crate) const IPV6_MIN_MTU: u32 = bindings::IPV6_MIN_MTU;

/// Tells the sender of a packet, which a device cannot transmit, that `mtu` bytes is the most. The
/// packet needs a route of its family, without which nothing is sent.
pub(crate) fn send_too_big(skb: &mut Skb, family: Family, mtu: u32) {
    if !matches!(skb.attached(), Attached::Route(route) if route.is_of(family)) {
        return;
    }
    // SAFETY: The packet is valid, borrowed exclusively, and has a route of that family; the callees
    // check that it has the header.
    unsafe {
        match family {
            Family::Inet => bindings::net_helper_icmp_frag_needed(skb.as_raw(), mtu),
            Family::Inet6 => bindings::net_helper_icmpv6_packet_too_big(skb.as_raw(), mtu),
        }
    }
}

/// What an error that came in asks for.
#[derive(Clone, Copy)]
pub(crate) enum Request {
    /// Send packets of at most this many bytes.
    Mtu(u32),
    /// Send packets for the destination through another router.
    Redirect,
}

impl Request {
    /// What the IPv4 error in `skb` asks for, if it is one of these; `info` is its MTU.
    pub(super) fn from_icmp(skb: &Skb, info: u32) -> Option<Self> {
        let (kind, code) = skb.icmp_type_code()?;
        match (u32::from(kind), u32::from(code)) {
            (bindings::ICMP_DEST_UNREACH, bindings::ICMP_FRAG_NEEDED) => Some(Self::Mtu(info)),
            (bindings::ICMP_REDIRECT, _) => Some(Self::Redirect),
            _ => None,
        }
    }

    /// What the IPv6 error of type `kind` asks for, if it is one of these; `info` is its MTU.
    pub(super) fn from_icmpv6(kind: u8, info: u32) -> Option<Self> {
        match u32::from(kind) {
            bindings::ICMPV6_PKT_TOOBIG => Some(Self::Mtu(info)),
            bindings::NDISC_REDIRECT => Some(Self::Redirect),
            _ => None,
        }
    }
}

/// Does what an error asks for, to the route that the packet in it took.
///
/// `skb` holds the error, from the header of the packet in it on, and `protocol` is that packet's.
/// The route is looked up in `net`, through the device with the index `oif` (0 for any); one that is to be
/// redirected by IPv6, through that by which the error came in.
///
/// # Safety
///
/// `skb` begins with a whole network header of `family`, and has come in by a device.
pub(super) unsafe fn apply(
    request: Request,
    skb: &mut Skb,
    family: Family,
    protocol: Protocol,
    net: &Net,
    oif: c_int,
) {
    let skb = skb.as_raw();
    let net = net.as_raw();
    // SAFETY: The contract of this function; the packet is valid, and the namespace live.
    unsafe {
        match (family, request) {
            (Family::Inet, Request::Mtu(mtu)) => {
                bindings::ipv4_update_pmtu(skb, net, mtu, oif, protocol.as_raw())
            }
            (Family::Inet, Request::Redirect) => {
                bindings::ipv4_redirect(skb, net, oif, protocol.as_raw())
            }
            (Family::Inet6, Request::Mtu(mtu)) => {
                bindings::net_helper_ip6_update_pmtu(skb, net, mtu.to_be(), oif)
            }
            (Family::Inet6, Request::Redirect) => bindings::net_helper_ip6_redirect(skb, net),
        }
    }
}
