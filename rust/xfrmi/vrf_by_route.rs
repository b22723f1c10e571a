// SPDX-License-Identifier: GPL-2.0

//! Packets of an external device that come in by the VRF of their connection.
//!
//! A VRF has a connection if routes of its table lead there ([`claims`](super::claims)). An
//! administrator asks for this with the private flag `vrf-by-route` of the device, which is off
//! when the device is made. `docs/vrf-by-route.md` says what it is for and whom it trusts.
//!
//! Flags are set, and devices come and go, in process context, with RTNL held. Routes change in
//! atomic context. Packets come in softirq context, under RCU.

use super::{
    changes::Watch,
    claims::Claims,
    interface::{
        External,
        Interface,
        Mode, //
    },
    leads::{
        connection,
        Lead,
        Target, //
    },
    owners::Owner,
    stats::Cause, //
};

use crate::{
    compat::code::eopnotsupp,
    net::{
        device_events::{
            DeviceEvent,
            DeviceListener, //
        },
        fib_events::FibEvent,
        link::{
            Device,
            LinkOps,
            Verdict, //
        },
        netdevice::{
            Counter,
            NetDevice, //
        },
        notifier::Listener,
        rtnl::Rtnl,
        skb::SkBuff,
        xfrm::MdInfo, //
    }, //
};

use kernel::{
    prelude::*,
    sync::{
        atomic::Relaxed,
        rcu, //
    }, //
};

/// What an external device learns; `None` for a static one.
fn external(dev: &Device<Interface>) -> Option<&External> {
    match dev.data().mode() {
        Mode::Static(_) => None,
        Mode::External(external) => Some(external),
    }
}

/// Whether packets come in by the VRFs of their connections; `None` for devices that can't have
/// that.
pub(super) fn is_on(dev: &Device<Interface>) -> Option<bool> {
    Some(external(dev)?.vrf_by_route.load(Relaxed))
}

/// Switches that on or off. Fails with `EOPNOTSUPP` for devices that can't have it, and as
/// [`start`] does. Then nothing has changed.
pub(super) fn switch(dev: &Device<Interface>, on: bool, rtnl: &Rtnl) -> Result {
    let external = external(dev).ok_or_else(eopnotsupp)?;
    match (external.vrf_by_route.load(Relaxed), on) {
        (false, true) => start(dev, external, rtnl)?,
        (true, false) => stop(dev, external, rtnl),
        _ => {}
    }
    external.vrf_by_route.store(on, Relaxed);
    Ok(())
}

/// Has packets come in by VRFs from now on. Fails with `EBUSY` if somebody else handles the
/// packets of the device, as Open vSwitch does, or for lack of memory. Then nothing has changed.
fn start(dev: &Device<Interface>, external: &External, rtnl: &Rtnl) -> Result {
    let learn = || {
        let rcu = rcu::read_lock();
        dev.net(&rcu).devices(&rcu).try_for_each(|it| {
            let vrf = it.vrf_table(&rcu);
            vrf.map_or(Ok(()), |table| {
                external.claims.vrf_came(it.ifindex(), table, &rcu)
            })
        })?;
        drop(rcu);
        dev.watch_routes(rtnl)?;
        // The last: packets go nowhere before it is known where they belong.
        dev.set_ingress(rtnl)
    };
    learn().inspect_err(|_| stop(dev, external, rtnl))
}

/// Ends what [`start`] has begun.
fn stop(dev: &Device<Interface>, external: &External, rtnl: &Rtnl) {
    dev.clear_ingress(rtnl);
    dev.unwatch_routes(rtnl);
    external.claims.forget(&rcu::read_lock());
}

/// The listener to events of devices.
pub(crate) struct Devices;

impl DeviceListener for Devices {
    fn device_changed(event: DeviceEvent, dev: &NetDevice, rtnl: &Rtnl) {
        let net = dev.net_rtnl(rtnl);
        Watch::changed(net, &rcu::read_lock());
        if event == DeviceEvent::Changes {
            return;
        }
        if let Some(dev) = dev.downcast::<Interface>() {
            moved(event, dev, rtnl);
        }
        if dev.vrf_table(&rcu::read_lock()).is_some() {
            Interface::KIND
                .get()
                .for_each_watching(net, rtnl, |watching, rcu| {
                    if let Some(External { claims, .. }) = external(watching) {
                        tell_of_vrf(claims, event, dev, rcu);
                    }
                });
        }
    }
}

/// An interface leaves a namespace or has come into another one: what it knows is of one.
fn moved(event: DeviceEvent, dev: &Device<Interface>, rtnl: &Rtnl) {
    let Some(external) = external(dev).filter(|it| it.vrf_by_route.load(Relaxed)) else {
        return;
    };
    if event == DeviceEvent::Goes {
        stop(dev, external, rtnl);
    } else if start(dev, external, rtnl).is_err() {
        external.vrf_by_route.store(false, Relaxed);
        dev.warn_ratelimited(c"vrf-by-route is off: it can't be used in the new namespace");
    }
}

/// Tells that a VRF has come or goes. What that fails for is noted there.
fn tell_of_vrf(claims: &Claims, event: DeviceEvent, vrf: &NetDevice, rcu: &rcu::Guard) {
    let _ = match vrf.vrf_table(rcu) {
        Some(table) if event == DeviceEvent::Comes => claims.vrf_came(vrf.ifindex(), table, rcu),
        _ => claims.vrf_went(vrf.ifindex(), rcu),
    };
}

/// Learns from a change of routes in the namespace of the device. Fails for lack of memory.
pub(super) fn routes_changed(
    dev: &Device<Interface>,
    event: &FibEvent<'_>,
    rcu: &rcu::Guard,
) -> Result {
    let Some(external) = external(dev).filter(|_| !event.prefix.is_of_no_vrf()) else {
        return Ok(());
    };
    let leads = event.routes().flat_map(|route| {
        let object = route.nexthop().map(Target::Object).into_iter();
        let connections = route.paths().filter_map(|it| connection(&it, dev));
        let targets = Iterator::chain(object, connections.map(Target::Connection));
        let route = route.id();
        targets.map(move |target| Lead { route, target })
    });
    let (change, prefix) = (event.change, event.prefix);
    external
        .claims
        .routes_changed(change, prefix, leads, dev, rcu)
}

/// Forgets the routes, of which it will be told anew.
pub(super) fn forget_routes(dev: &Device<Interface>) {
    if let Some(external) = external(dev) {
        external.claims.forget_routes(&rcu::read_lock());
    }
}

/// Is told that a nexthop object of the namespace is about to change, or changes.
pub(super) fn nexthop_changes(dev: &Device<Interface>, id: u32) {
    if let Some(external) = external(dev) {
        let rcu = rcu::read_lock();
        external.claims.nexthop_changes(id, dev.net(&rcu), &rcu);
    }
}

/// Where a packet goes that was received by the device: to the VRF of its connection, if that has
/// one.
#[inline]
pub(super) fn ingress(dev: &Device<Interface>, skb: &mut SkBuff, rcu: &rcu::Guard) -> Verdict {
    let Some(External { claims, .. }) = external(dev) else {
        return Verdict::Pass;
    };
    let (Some(info), _) = skb.md_info_and_route() else {
        return Verdict::Pass;
    };
    match claims.owner(info.if_id, dev, rcu) {
        Owner::None => Verdict::Pass,
        Owner::Vrf(ifindex) => enter(ifindex, dev, skb, info, rcu),
        Owner::Several => {
            let why =
                c"routes of several VRFs lead to a connection, whose packets are dropped: if_id";
            dev.warn_ratelimited_number(why, info.if_id);
            drop_by(dev, skb, info, Cause::VrfConflict)
        }
        Owner::Unknown => {
            dev.warn_ratelimited(c"vrf-by-route lacked memory: switch it off and on");
            drop_by(dev, skb, info, Cause::Memory)
        }
    }
}

/// Has a packet come in by the VRF with the index `ifindex`.
#[inline]
fn enter(
    ifindex: c_int,
    dev: &Device<Interface>,
    skb: &mut SkBuff,
    info: MdInfo,
    rcu: &rcu::Guard,
) -> Verdict {
    match NetDevice::by_index(dev.net(rcu), ifindex, rcu) {
        // It has just gone, and its routes lead nowhere.
        None => Verdict::Pass,
        Some(vrf) if !vrf.is_up() => drop_by(dev, skb, info, Cause::VrfDown),
        Some(vrf) if vrf.receive_as_vrf(skb, rcu) => Verdict::ByOther,
        Some(_) => Verdict::Pass,
    }
}

/// Counts a packet that is dropped.
#[cold]
fn drop_by(dev: &Device<Interface>, skb: &SkBuff, info: MdInfo, cause: Cause) -> Verdict {
    dev.count(Counter::RxErrors);
    dev.count(Counter::RxDropped);
    dev.data().stats.drop(dev, skb, info, false, cause);
    Verdict::Drop(cause.reason())
}
