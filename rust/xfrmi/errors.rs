// SPDX-License-Identifier: GPL-2.0

//! ICMP errors about packets that went out: a smaller MTU on the path, or a better router.

use super::table;

use crate::net::{
    icmp,
    rtnl::Link,
    xfrm::IcmpError, //
};

use kernel::sync::rcu;

/// Does what an error asks for to the route that the IPsec packet took, if its state belongs to a
/// device of ours. Returns whether it does.
pub(super) fn handle(error: IcmpError<'_>, rcu: &rcu::Guard) -> bool {
    let net = error.state.net();
    let Some(dev) = table::owner(net, error.state.if_id(), rcu) else {
        return false;
    };
    // The route was looked up through the link, if there is one, so that is where to look again.
    // Otherwise the error came back through the VRF, if any, that the packet left by.
    let oif = match dev.data().link() {
        0 => error
            .skb
            .device(rcu)
            .map_or(0, |dev| dev.l3mdev_ifindex(rcu)),
        link => link,
    };
    icmp::apply(
        error.request,
        error.skb,
        error.family,
        error.protocol,
        net,
        oif,
    );
    true
}
