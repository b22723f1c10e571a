// SPDX-License-Identifier: GPL-2.0

//! ICMP errors about packets that went out: a smaller MTU on the path, or a better router.

use super::table;

use crate::net::{
    rtnl::Link,
    xfrm::IcmpError, //
};

use kernel::sync::rcu;

/// Does what an error asks for to the route that the IPsec packet took, if its state belongs to a
/// device of ours. Returns whether it does.
pub(super) fn handle(error: IcmpError<'_>, rcu: &rcu::Guard) -> bool {
    let state = error.state();
    let Some(dev) = table::owner(state.net(), state.if_id(), rcu) else {
        return false;
    };
    // The route was looked up through the link, if there is one, so that is where to look again.
    // Otherwise the error came back through the VRF, if any, that the packet left by.
    let oif = match dev.data().link() {
        0 => error.device(rcu).map_or(0, |dev| dev.l3mdev_ifindex(rcu)),
        link => link,
    };
    error.apply(oif);
    true
}
