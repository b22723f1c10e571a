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
//! fn too_big(mut skb: OwnedSkBuff, family: Family, mtu: u32) {
//!     let mtu = match family {
//!         Family::Inet => mtu,
//!         Family::Inet6 => mtu.max(icmp::IPV6_MIN_MTU),
//!     };
//!     icmp::send_too_big(&mut skb, family, mtu);
//!     skb.free(DropReason::PKT_TOO_BIG);
//! }
//!
//! # use crate::net::tests::packet::packet;
//! # const MTU: u32 = 1000;
//! // A packet without a route is dropped in silence.
//! too_big(packet(&[0; 40])?, Family::Inet6, MTU);
//! ```

use super::{
    dst::SkbDst,
    skb::SkBuff,
    Family, //
};

use crate::bindings;

use kernel::prelude::*;

/// The smallest MTU that an IPv6 link may have, in bytes.
pub(crate) const IPV6_MIN_MTU: u32 = bindings::IPV6_MIN_MTU;

/// Tells the sender of a packet, which a device cannot transmit, that `mtu` bytes is the limit
/// (`icmp_ndo_send()`, `icmpv6_ndo_send()`).
///
/// The packet needs a route of `family`; without one, nothing is sent.
pub(crate) fn send_too_big(skb: &mut SkBuff, family: Family, mtu: u32) {
    if !matches!(skb.dst(), SkbDst::Route(route) if route.is_of(family)) {
        return;
    }
    // CAST: These are small numbers.
    //
    // SAFETY: The packet is valid, borrowed exclusively, and has a route of that family; the
    // callees check that it has the header.
    unsafe {
        match family {
            Family::Inet => bindings::icmp_ndo_send(
                skb.as_raw(),
                bindings::ICMP_DEST_UNREACH as c_int,
                bindings::ICMP_FRAG_NEEDED as c_int,
                mtu.to_be(),
            ),
            Family::Inet6 => {
                bindings::icmpv6_ndo_send(skb.as_raw(), bindings::ICMPV6_PKT_TOOBIG as u8, 0, mtu)
            }
        }
    }
}
