// SPDX-License-Identifier: GPL-2.0

//! Packets whose route names a router instead of a connection.
//!
//! Routing daemons learn that a network is behind a router, and install a route `via` that. They
//! know nothing of the encapsulation of the route by which they reach the router. But that says
//! which connection leads there, and whoever is behind the router is behind that connection.
//!
//! So the connection is that of the route to the router, in the VRF in which the packet's own route
//! was looked up. Nothing of it is remembered.
//!
//! Called for packets on their way out: with softirqs disabled, under RCU.

use super::{
    interface::{
        Interface,
        Mode, //
    },
    stats::Cause, //
};

use crate::net::{
    dst::SkbDst,
    flow::Flow,
    link::Device,
    skb::OwnedSkBuff,
    xfrm::MdInfo,
    Family, //
};

use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    }, //
};

/// Attaches metadata of the connection that leads to the router of the packet's route, if that is a
/// route of an external device that names none. Returns whether that was done.
#[cold]
#[inline(never)]
pub(super) fn adopt(
    dev: &Device<Interface>,
    skb: &mut OwnedSkBuff,
    family: Family,
    rcu: &rcu::Guard,
) -> Result<bool, Cause> {
    let Some(info) = connection(dev, skb, family, rcu) else {
        return Ok(false);
    };
    let SkbDst::Route(route) = skb.dst() else {
        return Ok(false);
    };
    let route = ARef::from(route);
    skb.set_md_info(info, route).map_err(|_| Cause::Memory)?;
    Ok(true)
}

/// The connection that leads to the router.
fn connection(
    dev: &Device<Interface>,
    skb: &mut OwnedSkBuff,
    family: Family,
    rcu: &rcu::Guard,
) -> Option<MdInfo> {
    if !matches!(dev.data().mode(), Mode::External(_)) {
        return None;
    }
    let SkbDst::Route(route) = skb.dst() else {
        return None;
    };
    // Who redirects packets here from elsewhere names the connection.
    if route.xfrm_info().is_some() || !route.device(rcu).is(dev) {
        return None;
    }
    let router = route.router()?;
    let vrf = skb.vrf_of_route(family, dev)?;
    let mut flow = Flow::to_router(router, skb.mark());
    flow.set_output_device(vrf);
    let way = flow.route(dev.net(rcu)).ok()?;
    // By another device it would not be a way through IPsec.
    way.xfrm_info().filter(|_| way.device(rcu).is(dev))
}
