// SPDX-License-Identifier: GPL-2.0

//! ICMP and ICMPv6 errors that a device sends.
//!
//! C headers: [`include/net/icmp.h`](srctree/include/net/icmp.h),
//! [`include/linux/icmpv6.h`](srctree/include/linux/icmpv6.h)

use super::{
    dst::SkbDst,
    skb::SkBuff,
    Family, //
};

use crate::bindings;

/// The smallest MTU that an IPv6 link may have, in bytes.
pub(crate) const IPV6_MIN_MTU: u32 = bindings::IPV6_MIN_MTU;

/// Tells the sender of a packet, which a device cannot transmit, that `mtu` bytes is the most. The
/// packet needs a route of its family, without which nothing is sent.
pub(crate) fn send_too_big(skb: &mut SkBuff, family: Family, mtu: u32) {
    if !matches!(skb.dst(), SkbDst::Route(route) if route.is_of(family)) {
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
