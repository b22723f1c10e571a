// SPDX-License-Identifier: GPL-2.0

//! ICMP and ICMPv6 errors: those that a device sends, and what those that come in change.
//!
//! C headers: [`include/net/icmp.h`](srctree/include/net/icmp.h),
//! [`include/linux/icmpv6.h`](srctree/include/linux/icmpv6.h)

use crate::{
    bindings,
    net::{
        dst::{
            Attached,
            Dst, //
        },
        skb::Skb,
        xfrm::{
            Protocol,
            State, //
        },
        Family, //
    }, //
};

use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    }, //
};

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

/// Does what an error asks for, to the route that packets of `state` take when they are sent: the same
/// look-up is made as for these.
///
/// `skb` holds the error, from the header of the packet in it on, and `protocol` is that packet's. `vrf`
/// is the index of the VRF that it was sent through; 0 for none. A route that is to be redirected by IPv6
/// is one through the device by which the error came in.
///
/// # Safety
///
/// `skb` begins with a whole network header of `family`, that of the state, and has come in by a device.
pub(super) unsafe fn apply(
    request: Request,
    skb: &mut Skb,
    family: Family,
    protocol: Protocol,
    state: &State,
    vrf: c_int,
    _rcu: &rcu::Guard,
) {
    let mark = route_mark(skb, family, state);
    let net = state.net().as_raw();
    match (family, request) {
        // For IPv4 these find the route. They can't be told a mark.
        (Family::Inet, Request::Mtu(mtu)) if mark == 0 => {
            // SAFETY: The contract of this function; the packet is valid, and the namespace live.
            unsafe {
                let skb = skb.as_raw();
                bindings::net_helper_ipv4_update_pmtu(skb, net, mtu, vrf, protocol.as_raw());
            }
        }
        (Family::Inet, Request::Redirect) if mark == 0 => {
            // SAFETY: As above.
            unsafe { bindings::ipv4_redirect(skb.as_raw(), net, vrf, protocol.as_raw()) };
        }
        (Family::Inet6, Request::Redirect) => {
            // SAFETY: As above.
            unsafe { bindings::net_helper_ip6_redirect(skb.as_raw(), net, mark) };
        }
        (_, Request::Mtu(mtu)) => {
            let Ok(route) = route(skb, family, state, vrf) else {
                return;
            };
            // SAFETY: As above; the route is one of that family, whose operations there are, and RCU
            // is held.
            unsafe {
                bindings::net_helper_dst_update_pmtu(route.as_raw(), skb.as_raw(), mark, mtu);
            }
        }
        (Family::Inet, Request::Redirect) => {
            let Ok(route) = route(skb, family, state, vrf) else {
                return;
            };
            // SAFETY: As above.
            unsafe { bindings::net_helper_dst_redirect(route.as_raw(), skb.as_raw(), mark) };
        }
    }
}

/// The route that packets of `state` take which are sent by `oif`, as [`State::route`] has it. `skb`
/// begins with one.
pub(super) fn route(skb: &Skb, family: Family, state: &State, oif: c_int) -> Result<ARef<Dst>> {
    let tos = match family {
        Family::Inet => {
            let [tos] = skb
                .bytes(core::mem::offset_of!(bindings::iphdr, tos))
                .ok_or(EINVAL)?;
            tos
        }
        // Routes of IPv6 packets that were transformed are looked up without.
        Family::Inet6 => 0,
    };
    state.route(oif, tos, route_mark(skb, family, state))
}

/// The mark by which that route is looked up. What the state leaves of a packet's own mark, the error
/// can tell, if marks are to be reflected (`fwmark_reflect`).
fn route_mark(skb: &Skb, family: Family, state: &State) -> u32 {
    let net = state.net().as_raw();
    // SAFETY: The namespace is live.
    state.route_mark(unsafe {
        match family {
            Family::Inet => bindings::net_helper_ip4_reply_mark(net, skb.mark()),
            Family::Inet6 => bindings::net_helper_ip6_reply_mark(net, skb.mark()),
        }
    })
}
