// SPDX-License-Identifier: GPL-2.0

//! ICMP errors about packets that went out: a smaller MTU on the path, or a better router.
//!
//! In softirq context, under RCU.
//!
//! C source: `xfrmi4_err()` and `xfrmi6_err()` in
//! [`net/xfrm/xfrm_interface_core.c`](srctree/net/xfrm/xfrm_interface_core.c)

use super::{
    interface::Mode,
    table, //
};

use crate::net::xfrm::IcmpError;

use kernel::sync::rcu;

/// Handles an error about an IPsec packet: does what it asks for to the route that the packet took,
/// if the state of the packet belongs to a device of ours. Returns whether it does.
pub(super) fn handle(mut error: IcmpError<'_>, rcu: &rcu::Guard) -> bool {
    let state = error.state();
    let Some(dev) = table::owner(state.net(), state.if_id(), rcu) else {
        return false;
    };
    match dev.data().mode() {
        Mode::Static(_) => error.apply(dev.data().link, rcu),
        Mode::External(_) => apply_by_any_link(&mut error, rcu),
    }
    true
}

/// Applies an error about a packet of the external device, where the link of the packet is not
/// known any more.
///
/// The error came back through the VRF, if any, by which the packet left. Either routes of that VRF
/// or routes of none have sent the packet there, so both may be concerned.
fn apply_by_any_link(error: &mut IcmpError<'_>, rcu: &rcu::Guard) {
    let vrf = error.device(rcu).map_or(0, |dev| dev.l3mdev_ifindex(rcu));
    error.apply(vrf, rcu);
    let leads_there = |error: &IcmpError<'_>| {
        error
            .route(0)
            .is_ok_and(|route| route.device(rcu).l3mdev_ifindex(rcu) == vrf)
    };
    if vrf != 0 && leads_there(error) {
        error.apply(0, rcu);
    }
}
