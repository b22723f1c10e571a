// SPDX-License-Identifier: GPL-2.0

//! ICMP and ICMPv6 errors that a device sends.
//!
//! They can be sent where a device transmits packets. The kernel limits their rate.
//!
//! C headers: [`include/net/icmp.h`](srctree/include/net/icmp.h),
//! [`include/linux/icmpv6.h`](srctree/include/linux/icmpv6.h)
//!
//! # Examples
//!
//! A device drops a packet that does not fit into the path, and tells its sender:
//!
//! ```
//! use crate::net::{
//!     icmp,
//!     skb::{
//!         DropReason,
//!         OwnedSkBuff, //
//!     },
//!     Family, //
//! };
//!
//! use kernel::sync::rcu;
//!
//! fn too_big(mut skb: OwnedSkBuff, family: Family, mtu: u32, rcu: &rcu::Guard) {
//!     let mtu = match family {
//!         Family::Inet => mtu,
//!         Family::Inet6 => mtu.max(icmp::IPV6_MIN_MTU),
//!     };
//!     icmp::send_too_big(&mut skb, family, mtu, rcu);
//!     skb.free(DropReason::PKT_TOO_BIG);
//! }
//!
//! # use crate::net::tests::packet::packet;
//! # const MTU: u32 = 1000;
//! // A packet without a route is dropped in silence.
//! too_big(packet(&[0; 40])?, Family::Inet6, MTU, &rcu::read_lock());
//! ```

use super::{
    dst::SkbDst,
    skb::SkBuff,
    Family, //
};

use crate::bindings;

use kernel::{
    prelude::*,
    sync::rcu, //
};

/// The smallest MTU that an IPv6 link may have, in bytes.
pub(crate) const IPV6_MIN_MTU: u32 = bindings::IPV6_MIN_MTU;

/// Tells the sender of a packet, which a device cannot transmit, that `mtu` bytes is the limit
/// (`icmp_ndo_send()`, `icmpv6_ndo_send()`).
///
/// The packet needs a route of `family`; without one, nothing is sent. The way to the sender is
/// looked up in the VRF from which the packet came.
pub(crate) fn send_too_big(skb: &mut SkBuff, family: Family, mtu: u32, rcu: &rcu::Guard) {
    skb.as_if_from_origin(rcu, |skb| match family {
        Family::Inet => send(skb, bindings::ICMP_FRAG_NEEDED, mtu),
        Family::Inet6 => send6(skb, bindings::ICMPV6_PKT_TOOBIG, 0, mtu),
    });
}

/// Tells the route that is attached to a packet, if any, that its destination cannot be reached
/// (`dst_link_failure()`), so that it tells the sender. The way to that is looked up in the VRF
/// from which the packet came.
///
/// If addresses of the connection are translated the sender is told without the route
/// (`icmp_ndo_send()`, `icmpv6_ndo_send()`), which would tell whoever has the address in the
/// packet.
pub(crate) fn send_unreachable(skb: &mut SkBuff, rcu: &rcu::Guard) {
    let family = skb.family().filter(|_| skb.has_nat());
    skb.as_if_from_origin(rcu, |skb| match family {
        Some(Family::Inet) => send(skb, bindings::ICMP_HOST_UNREACH, 0),
        Some(Family::Inet6) => {
            let unreachable = bindings::ICMPV6_DEST_UNREACH;
            send6(skb, unreachable, bindings::ICMPV6_ADDR_UNREACH, 0);
        }
        None => {
            if matches!(skb.dst(), SkbDst::Route(_)) {
                // SAFETY: The packet is valid, and what is attached is a route.
                unsafe { bindings::dst_link_failure(skb.as_raw()) };
            }
        }
    });
}

/// Sends an ICMP error of the type "destination unreachable" about a packet. Without a route of
/// IPv4, nothing is sent.
fn send(skb: &mut SkBuff, code: u32, info: u32) {
    if !matches!(skb.dst(), SkbDst::Route(route) if route.is_of(Family::Inet)) {
        return;
    }
    // CAST: These are small numbers.
    let (kind, code) = (bindings::ICMP_DEST_UNREACH as c_int, code as c_int);
    // SAFETY: The packet is valid, borrowed exclusively, and has a route of IPv4; the callee checks
    // that it has the header.
    unsafe { bindings::icmp_ndo_send(skb.as_raw(), kind, code, info.to_be()) };
}

/// Sends an ICMPv6 error about a packet. Without a route of IPv6, nothing is sent.
fn send6(skb: &mut SkBuff, kind: u32, code: u32, info: u32) {
    if !matches!(skb.dst(), SkbDst::Route(route) if route.is_of(Family::Inet6)) {
        return;
    }
    // CAST: These are small numbers.
    let (kind, code) = (kind as u8, code as u8);
    // SAFETY: The packet is valid, borrowed exclusively, and has a route of IPv6; the callee checks
    // that it has the header.
    unsafe { bindings::icmpv6_ndo_send(skb.as_raw(), kind, code, info) };
}
