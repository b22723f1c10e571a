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
    },
    wait, //
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
        rcu, //
    }, //
};

/// Why a packet is not sent.
enum Refusal {
    /// It never is.
    Drop(DropReason),
    /// It has to wait until key managers have negotiated states for the connection with this `if_id`. The
    /// packet still has attached what it came with.
    Wait(u32),
}

impl From<DropReason> for Refusal {
    fn from(reason: DropReason) -> Self {
        Self::Drop(reason)
    }
}

/// Sends a packet, lets it wait, or counts and drops it.
pub(super) fn transmit(dev: &Device<Interface>, mut skb: SkBuff, rcu: &rcu::Guard) {
    match prepare(dev, &mut skb, rcu) {
        Ok(bundle) => send(dev, skb, bundle, rcu),
        Err(Refusal::Drop(reason)) => refuse(dev, skb, reason),
        Err(Refusal::Wait(if_id)) => {
            if let Err(mut skb) = wait::begin(dev, skb, if_id, rcu) {
                let reason = no_bundle(dev, &mut skb);
                refuse(dev, skb, reason);
            }
        }
    }
}

/// Tries again to send a packet that has been waiting. Returns it if it has to wait on.
pub(super) fn again(dev: &Device<Interface>, skb: SkBuff, rcu: &rcu::Guard) -> Option<SkBuff> {
    try_again(dev, skb, true, rcu)
}

/// The same for the last time: what can't be sent is dropped.
pub(super) fn for_the_last_time(
    dev: &Device<Interface>,
    skb: SkBuff,
    rcu: &rcu::Guard,
) -> Option<SkBuff> {
    try_again(dev, skb, false, rcu)
}

/// [`again`], or for the last time if it may not wait any more.
fn try_again(
    dev: &Device<Interface>,
    mut skb: SkBuff,
    may_wait: bool,
    rcu: &rcu::Guard,
) -> Option<SkBuff> {
    match prepare_again(dev, &mut skb, may_wait, rcu) {
        Ok(bundle) => send(dev, skb, bundle, rcu),
        Err(Refusal::Drop(reason)) => refuse(dev, skb, reason),
        Err(Refusal::Wait(_)) => return Some(skb),
    }
    None
}

/// Counts and drops a packet.
#[cold]
fn refuse(dev: &Device<Interface>, skb: SkBuff, reason: DropReason) {
    dev.count(Counter::TxErrors);
    dev.count(Counter::TxDropped);
    skb.free(reason);
}

/// The bundle through which the packet goes, or why it can't.
fn prepare(
    dev: &Device<Interface>,
    skb: &mut SkBuff,
    rcu: &rcu::Guard,
) -> Result<ARef<Dst>, Refusal> {
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
        None => find(dev, skb, family, key.is_some(), true, rcu)?,
    };
    check_size(skb, family, &bundle)?;
    Ok(bundle)
}

/// The same for a packet that has come as far as [`find`] before.
fn prepare_again(
    dev: &Device<Interface>,
    skb: &mut SkBuff,
    may_wait: bool,
    rcu: &rcu::Guard,
) -> Result<ARef<Dst>, Refusal> {
    let family = skb.family().ok_or(DropReason::UNHANDLED_PROTO)?;
    let bundle = find(dev, skb, family, false, may_wait, rcu)?;
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
///
/// A packet that `may_wait` does so if the kernel is set to let packets wait for states.
#[cold]
#[inline(never)]
fn find(
    dev: &Device<Interface>,
    skb: &mut SkBuff,
    family: Family,
    has_key: bool,
    may_wait: bool,
    rcu: &rcu::Guard,
) -> Result<ARef<Dst>, Refusal> {
    let flow_key = FlowKey::of(skb, family).filter(|_| has_key);
    let mut flow = Flow::of(skb, family, dev.net(rcu)).map_err(|_| DropReason::XFRM_POLICY)?;
    let (metadata, route) = route(dev, skb, &mut flow, rcu)?;
    let info = connection(dev, metadata, &route)?;
    // With the connection that is used, which a change of the device may just have made another one.
    let key = flow_key.map(|flow_key| BundleKey::new(flow_key, &route, info, dev.link_net()));
    let look_up = key.and_then(|key| LookUp::begin(key, dev, rcu));
    flow.set_output_device(info.link);

    // What has no metadata has its route attached.
    let put_away = metadata.map(|_| route.clone());
    let bundle = bundle(dev, route, &flow, info.if_id);
    if may_wait && matches!(bundle, Err(err) if err == EAGAIN) {
        return Err(Refusal::Wait(info.if_id));
    }
    if let Some(route) = put_away {
        skb.attach(route);
    }
    let bundle = bundle.map_err(|_| no_bundle(dev, skb))?;
    if bundle.device(rcu).is(dev) {
        dev.count(Counter::Collisions);
        dev.warn_ratelimited(c"Local routing loop detected!");
        return Err(DropReason::LOOP.into());
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

/// Counts a packet for which there is no bundle, and tells its sender.
fn no_bundle(dev: &Device<Interface>, skb: &mut SkBuff) -> DropReason {
    dev.count(Counter::TxCarrier);
    attach_route(skb);
    skb.link_failure();
    DropReason::XFRM_POLICY
}

/// The connection that the packet's metadata names, if any, and the route that it takes without
/// IPsec. Without metadata that route is left attached to the packet, for errors that concern it.
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
    if metadata.is_none() {
        skb.attach(route.clone());
    }
    Ok((metadata, route))
}

/// Attaches the route that whoever has set the connection may have put away.
fn attach_route(skb: &mut SkBuff) {
    if let Attached::Xfrm(_, Some(route)) = skb.attached() {
        let route = ARef::from(route);
        skb.attach(route);
    }
}

/// The connection that a packet with these metadata and route belongs to.
pub(super) fn connection(
    dev: &Device<Interface>,
    metadata: Option<XfrmInfo>,
    route: &Dst,
) -> Result<XfrmInfo, DropReason> {
    match dev.data().mode() {
        Mode::Static(if_id) => Ok(XfrmInfo {
            if_id: if_id.get(),
            link: dev.data().link(),
        }),
        Mode::External => metadata
            .or_else(|| route.xfrm_info())
            .ok_or(DropReason::NO_METADATA),
    }
}

/// The bundle of the connection `if_id` for packets of `flow`. Fails if there is none that transforms them:
/// with `EAGAIN` if they are to wait for one.
pub(super) fn bundle(
    dev: &Device<Interface>,
    route: ARef<Dst>,
    flow: &Flow,
    if_id: u32,
) -> Result<ARef<Dst>> {
    let bundle = xfrm::bundle(dev.link_net(), route, flow, if_id)?;
    match bundle.state() {
        Some(state) if state.if_id() == if_id => Ok(bundle),
        _ => Err(ENOENT),
    }
}

/// Refuses a packet that is too large for the bundle and must not be fragmented, and tells its
/// sender.
#[inline]
fn check_size(skb: &mut SkBuff, family: Family, bundle: &Dst) -> Result<(), DropReason> {
    let mtu = bundle.mtu();
    if skb.exceeds(mtu) {
        too_big(skb, family, mtu)
    } else {
        Ok(())
    }
}

/// The same for a packet that is too large.
#[cold]
#[inline(never)]
fn too_big(skb: &mut SkBuff, family: Family, mtu: u32) -> Result<(), DropReason> {
    attach_route(skb);
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
