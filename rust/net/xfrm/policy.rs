// SPDX-License-Identifier: GPL-2.0

//! IPsec policies: what has to be, and what has been, done to packets.

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

/// The bundle of states through which the policies of the interface `if_id` send packets of `flow`
/// that would take `route`; `route` itself when no policy applies.
///
/// Fails with `EPERM` when a policy blocks the flow, while there is no state for it (an acquire is
/// sent to the key managers) with `EAGAIN` if packets are to wait for one
/// (`net.core.xfrm_larval_drop` is 0) and with `EREMOTE` if not, or for lack of memory or of a
/// route.
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
    /// For how many seconds key managers may take to negotiate states
    /// (`net.core.xfrm_acq_expires`).
    pub(crate) fn acquire_expires(&self) -> u32 {
        // SAFETY: The namespace is live; others write the whole field.
        unsafe { read_once(&raw const (*self.as_raw()).xfrm.sysctl_acq_expires) }
    }
}

/// Whether the policies allow a packet that came in, given the states that it came through.
pub(crate) fn check_in(skb: &mut SkBuff, family: Family) -> bool {
    // SAFETY: The packet is valid, borrowed exclusively, and has a network header of that family.
    unsafe {
        // CAST: The number of the direction is small.
        let direction = bindings::XFRM_POLICY_IN as c_int;
        bindings::xfrm_policy_check(ptr::null_mut(), direction, skb.as_raw(), family.as_raw()) != 0
    }
}

/// As [`check_in`], but a refusal is not counted.
///
/// `net` is the namespace whose policies are asked.
pub(crate) fn try_check_in(net: &Net, skb: &mut SkBuff, family: Family) -> bool {
    // SAFETY: The namespace is live; the packet is valid, borrowed exclusively, and has a network
    // header of that family. Packets come in with softirqs disabled.
    unsafe { bindings::datapath_policy_try_in(net.as_raw(), skb.as_raw(), family.as_raw()) }
}
