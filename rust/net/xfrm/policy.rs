// SPDX-License-Identifier: GPL-2.0

//! IPsec policies: what has to be, and what has been, done to packets.
//!
//! On the way out [`lookup_with_ifid`] asks them through which states a packet goes. On the way in
//! [`check_in`] asks them whether the states that a packet came through are the right ones.
//!
//! Packets are looked up and checked in softirq context or with softirqs disabled, under RCU.
//!
//! C source: [`net/xfrm/xfrm_policy.c`](srctree/net/xfrm/xfrm_policy.c); C header:
//! [`include/net/xfrm.h`](srctree/include/net/xfrm.h)
//!
//! # Examples
//!
//! The way out of a packet: by its own route, unless a policy of the connection applies.
//!
//! ```
//! use crate::net::{
//!     flow::Flow,
//!     net_namespace::Net,
//!     skb::OwnedSkBuff,
//!     xfrm,
//!     Family, //
//! };
//!
//! fn prepare(skb: &mut OwnedSkBuff, family: Family, net: &Net, if_id: u32) -> Result {
//!     let mut flow = Flow::of(skb, family, net)?;
//!     let route = flow.route(net)?;
//!     let dst = xfrm::lookup_with_ifid(net, route, &flow, if_id)?;
//!     // A policy of another interface does not count.
//!     match dst.state() {
//!         Some(state) if state.if_id() == if_id => skb.set_dst(dst),
//!         _ => return Err(ENOENT),
//!     }
//!     Ok(())
//! }
//! # let _: fn(&mut OwnedSkBuff, Family, &Net, u32) -> Result = prepare;
//! ```
//!
//! The way in: a packet that is refused is dropped, with its reason.
//!
//! ```
//! use crate::net::{
//!     skb::{
//!         DropReason,
//!         OwnedSkBuff, //
//!     },
//!     xfrm,
//!     Family, //
//! };
//!
//! fn check(mut skb: OwnedSkBuff, family: Family) -> Option<OwnedSkBuff> {
//!     if xfrm::check_in(&mut skb, family) {
//!         return Some(skb);
//!     }
//!     skb.free(DropReason::XFRM_POLICY);
//!     None
//! }
//! # let _: fn(OwnedSkBuff, Family) -> Option<OwnedSkBuff> = check;
//! ```

use crate::{
    bindings,
    net::{
        atomic::read_once,
        dst::Dst,
        flow::Flow,
        net_namespace::Net,
        skb::SkBuff,
        Family, //
    }, //
};

use core::ptr;

use kernel::{
    prelude::*,
    sync::aref::ARef, //
};

/// The bundle of states through which the policies of the interface `if_id` (host byte order) send
/// packets of `flow` that would take `route`; `route` itself if no policy applies
/// (`xfrm_lookup_with_ifid()`).
///
/// Fails with `EPERM` if a policy blocks the flow. While there is no state for the flow, an acquire
/// is sent to the key managers, and the look-up fails with `EAGAIN` if packets are to wait for one
/// (`net.core.xfrm_larval_drop` is 0), with `EREMOTE` if not. It fails also for lack of memory or
/// of a route.
pub(crate) fn lookup_with_ifid(
    net: &Net,
    route: ARef<Dst>,
    flow: &Flow,
    if_id: u32,
) -> Result<ARef<Dst>> {
    // SAFETY: The namespace is live, the flow valid, and the reference to the route goes to the
    // look-up, which releases it or returns it.
    let dst = unsafe {
        bindings::xfrm_lookup_with_ifid(
            net.as_raw(),
            Dst::into_raw(route),
            flow.as_raw(),
            core::ptr::null(),
            0,
            if_id,
        )
    };
    // SAFETY: The look-up returned a reference for us.
    unsafe { Dst::from_look_up(dst) }
}

impl Net {
    /// How many seconds key managers may take to negotiate states (`net.core.xfrm_acq_expires`).
    pub(crate) fn acquire_expires(&self) -> u32 {
        // SAFETY: The namespace is live; others write the whole field.
        unsafe { read_once(&raw const (*self.as_raw()).xfrm.sysctl_acq_expires) }
    }
}

/// Whether the policies allow a packet of the address family `family` that came in, given the
/// states that it came through (`xfrm_policy_check()`).
///
/// A refusal is counted in the namespace's statistics. What was checked is verified from here on
/// ([`SkBuff::is_unverified`]).
pub(crate) fn check_in(skb: &mut SkBuff, family: Family) -> bool {
    // SAFETY: The packet is valid, borrowed exclusively, and has a network header of that family.
    unsafe {
        // CAST: The number of the direction is small.
        let direction = bindings::XFRM_POLICY_IN as c_int;
        bindings::xfrm_policy_check(ptr::null_mut(), direction, skb.as_raw(), family.as_raw()) != 0
    }
}

/// As [`check_in`], but a refusal is not counted. `net` is the namespace whose policies are asked.
///
/// Softirqs have to be disabled, as they are wherever packets come in.
pub(crate) fn try_check_in(net: &Net, skb: &mut SkBuff, family: Family) -> bool {
    // SAFETY: The namespace is live; the packet is valid, borrowed exclusively, and has a network
    // header of that family. Packets come in with softirqs disabled.
    unsafe { bindings::datapath_policy_try_in(net.as_raw(), skb.as_raw(), family.as_raw()) }
}

/// Whether the policies of `net` allow a packet that came in by its device as one for this host, or
/// as one that is forwarded. A refusal is counted. They allow any where the administrator has said
/// so for the device (`disable_policy`).
///
/// Softirqs have to be disabled, as they are wherever packets come in.
pub(crate) fn check_any(net: &Net, skb: &mut SkBuff, family: Family) -> bool {
    // SAFETY: The namespace is live; the packet is valid, borrowed exclusively, and has a device
    // and a network header of that family. Packets come in with softirqs disabled.
    unsafe { bindings::datapath_policy_try_any(net.as_raw(), skb.as_raw(), family.as_raw()) }
}
