// SPDX-License-Identifier: GPL-2.0

//! Packets on their way out: which connection they belong to, and through which states they go.

use super::{
    caches::{
        self,
        BundleKey,
        LookUp, //
    },
    link::{
        Interface,
        Mode, //
    }, //
};

use crate::net::{
    device::{
        Counter,
        Device, //
    },
    dst::{
        Attached,
        Dst,
        XfrmInfo, //
    },
    flow::{
        Flow,
        FlowKey, //
    },
    icmp,
    rtnl::Link,
    skb::{
        DropReason,
        SkBuff, //
    },
    xfrm,
    Family, //
};

use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::Relaxed,
        rcu, //
    }, //
};

/// Sends a packet, or counts and drops it.
pub(super) fn transmit(dev: &Device<Interface>, mut skb: SkBuff, rcu: &rcu::Guard) {
    match prepare(dev, &mut skb, rcu) {
        Ok(bundle) => send(dev, skb, bundle, rcu),
        Err(reason) => {
            dev.count(Counter::TxErrors);
            dev.count(Counter::TxDropped);
            skb.free(reason);
        }
    }
}

/// The bundle through which the packet goes, or why it can't.
fn prepare(
    dev: &Device<Interface>,
    skb: &mut SkBuff,
    rcu: &rcu::Guard,
) -> Result<ARef<Dst>, DropReason> {
    let family = skb.family().ok_or(DropReason::UNHANDLED_PROTO)?;
    // A program may take packets with the same header for different flows.
    let is_program = dev.net(rcu).has_flow_dissector();
    let flow = FlowKey::of(skb, family).filter(|_| !is_program);
    if flow.is_none() {
        skb.pull_network_header()?;
    }
    skb.ensure_transport_header(family);
    skb.clear_ip_control_block(family);
    let key = flow.and_then(|flow| key(dev, skb, flow));
    let known = key.and_then(|key| caches::bundle(&key, dev, rcu));
    let bundle = match known {
        Some(bundle) => {
            #[cfg(SHADOW)]
            if let Some(key) = &key {
                super::shadow::compare(dev, skb, family, key, &bundle, rcu);
            }
            bundle
        }
        None => find(dev, skb, family, key.is_some(), rcu)?,
    };
    check_size(skb, family, &bundle)?;
    Ok(bundle)
}

/// What the bundle of the packet may be known by.
fn key(dev: &Device<Interface>, skb: &mut SkBuff, flow: FlowKey) -> Option<BundleKey> {
    let (metadata, route) = attached(skb)?;
    Some(BundleKey::new(
        flow,
        route,
        connection(dev, metadata, route).ok()?,
        dev.link_net(),
    ))
}

/// The connection that the packet's metadata names, if any, and the route that it has.
pub(super) fn attached(skb: &mut SkBuff) -> Option<(Option<XfrmInfo>, &Dst)> {
    match skb.attached() {
        Attached::Route(route) => Some((None, route)),
        Attached::Xfrm(info, Some(route)) => Some((Some(info), route)),
        _ => None,
    }
}

/// Looks up the bundle of a packet, and remembers it for those with the same key, if the packet
/// `has_key`. That is made once more here, so that packets whose bundle is known need not keep it.
#[cold]
#[inline(never)]
fn find(
    dev: &Device<Interface>,
    skb: &mut SkBuff,
    family: Family,
    has_key: bool,
    rcu: &rcu::Guard,
) -> Result<ARef<Dst>, DropReason> {
    let flow_key = FlowKey::of(skb, family).filter(|_| has_key);
    let mut flow = Flow::of(skb, family, dev.net(rcu)).map_err(|_| DropReason::XFRM_POLICY)?;
    let (metadata, route) = route(dev, skb, &mut flow, rcu)?;
    let info = connection(dev, metadata, &route)?;
    // With the connection that is used, which a change of the device may just have made another one.
    let key = flow_key.map(|flow_key| BundleKey::new(flow_key, &route, info, dev.link_net()));
    let look_up = key.and_then(|key| LookUp::begin(key, dev, rcu));
    flow.set_output_device(info.link);

    let bundle = bundle(dev, route, &flow, info.if_id).ok_or_else(|| {
        dev.count(Counter::TxCarrier);
        skb.link_failure();
        DropReason::XFRM_POLICY
    })?;
    if bundle.device(rcu).is(dev) {
        dev.count(Counter::Collisions);
        dev.warn_ratelimited(c"Local routing loop detected!");
        return Err(DropReason::LOOP);
    }
    let (head, tail) = bundle.room();
    dev.ask_for_room(
        head.saturating_add(bundle.device(rcu).reserved_space()),
        tail,
    );
    if let Some(look_up) = look_up {
        look_up.found(&bundle, &flow, dev, rcu);
    }
    Ok(bundle)
}

/// The connection that the packet's metadata names, if any, and the route that it takes without
/// IPsec. That route is left attached to the packet, for errors that concern it.
///
/// A packet that was redirected here may have none, or only the metadata it was received with.
fn route(
    dev: &Device<Interface>,
    skb: &mut SkBuff,
    flow: &mut Flow,
    rcu: &rcu::Guard,
) -> Result<(Option<XfrmInfo>, ARef<Dst>), DropReason> {
    let (metadata, route) = match skb.attached() {
        Attached::Route(route) => return Ok((None, route.into())),
        Attached::Xfrm(info, route) => (Some(info), route.map(ARef::from)),
        Attached::Other | Attached::Nothing => (None, None),
    };
    let route = match route {
        Some(route) => route,
        None => {
            flow.set_output_device(dev.ifindex());
            flow.allow_any_source();
            flow.route(dev.net(rcu)).map_err(|_| {
                dev.count(Counter::TxCarrier);
                DropReason::NO_ROUTE
            })?
        }
    };
    skb.attach(route.clone());
    Ok((metadata, route))
}

/// The connection that a packet with these metadata and route belongs to.
pub(super) fn connection(
    dev: &Device<Interface>,
    metadata: Option<XfrmInfo>,
    route: &Dst,
) -> Result<XfrmInfo, DropReason> {
    match dev.data().mode() {
        Mode::Static { if_id, .. } => Ok(XfrmInfo {
            if_id: if_id.load(Relaxed),
            link: dev.data().link(),
        }),
        Mode::External => metadata
            .or_else(|| route.xfrm_info())
            .ok_or(DropReason::NO_METADATA),
    }
}

/// The bundle of the connection `if_id` for packets of `flow`; `None` if there is none that
/// transforms them.
pub(super) fn bundle(
    dev: &Device<Interface>,
    route: ARef<Dst>,
    flow: &Flow,
    if_id: u32,
) -> Option<ARef<Dst>> {
    let bundle = xfrm::bundle(dev.link_net(), route, flow, if_id).ok()?;
    (bundle.state()?.if_id() == if_id).then_some(bundle)
}

/// Refuses a packet that is too large for the bundle and must not be fragmented, and tells its
/// sender.
fn check_size(skb: &mut SkBuff, family: Family, bundle: &Dst) -> Result<(), DropReason> {
    let mtu = bundle.mtu();
    if !skb.exceeds(mtu) {
        return Ok(());
    }
    // Whoever has set the connection may have put the route away.
    if let Attached::Xfrm(_, Some(route)) = skb.attached() {
        let route = ARef::from(route);
        skb.attach(route);
    }
    skb.update_pmtu(mtu);
    match family {
        Family::Inet if !skb.dont_fragment() => return Ok(()),
        Family::Inet => icmp::send_too_big(skb, family, mtu),
        // Nobody has to be told to send less than what every link takes.
        Family::Inet6 if skb.len() <= icmp::IPV6_MIN_MTU => return Ok(()),
        Family::Inet6 => icmp::send_too_big(skb, family, mtu.max(icmp::IPV6_MIN_MTU)),
    }
    Err(DropReason::TOO_BIG)
}

/// Sends the packet through its bundle.
fn send(dev: &Device<Interface>, skb: SkBuff, bundle: ARef<Dst>, rcu: &rcu::Guard) {
    if !dev.send(skb, bundle, rcu) {
        dev.count(Counter::TxErrors);
        dev.count(Counter::TxAborted);
    }
}
