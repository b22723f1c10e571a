// SPDX-License-Identifier: GPL-2.0

//! The look-up of a packet's bundle: through which states it goes.
//!
//! It is done for the first packet of a flow, and whenever what is remembered for the flow is not
//! good any more ([`remembered`](super::remembered)). All of it runs with softirqs disabled, under
//! RCU.
//!
//! C source: `xfrmi_xmit()` and `xfrmi_xmit2()` in
//! [`net/xfrm/xfrm_interface_core.c`](srctree/net/xfrm/xfrm_interface_core.c), up to
//! `xfrm_lookup_with_ifid()`

use super::{
    interface::{
        Interface,
        Mode, //
    },
    key::BundleKey,
    remembered::BeforeLookUp,
    sets::Placed,
    stats::{
        Cause,
        Event, //
    }, //
};

use crate::net::{
    dst::Dst,
    flow::{
        Flow,
        FlowKey, //
    },
    icmp,
    link::{
        Device,
        LinkOps, //
    },
    netdevice::Counter,
    pernet::Hold,
    skb::{
        OwnedSkBuff,
        SkBuff, //
    },
    trace::Packet,
    xfrm::{
        self,
        MdInfo, //
    },
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
pub(super) enum Refusal {
    /// It can't be sent at all, for this reason.
    Drop(Cause),
    /// It has to wait until key managers have negotiated states for the connection with this
    /// `if_id` (host byte order). What the packet came with is still attached to it.
    Wait(u32),
}

impl From<Cause> for Refusal {
    fn from(cause: Cause) -> Self {
        Self::Drop(cause)
    }
}

/// What the bundle of the packet may be known by; `None` if the packet has no route, or nothing
/// says which connection it belongs to.
#[inline]
pub(super) fn key(
    dev: &Device<Interface>,
    skb: &mut OwnedSkBuff,
    flow: FlowKey,
) -> Option<BundleKey> {
    let (metadata, route) = attached(skb)?;
    let info = connection(dev, metadata, route).ok()?;
    Some(BundleKey::new(flow, route.id(), info, dev.link_net()))
}

/// The connection that the packet's metadata names, if it has any, and the route of the packet.
/// `None` if it has no route.
pub(super) fn attached(skb: &mut OwnedSkBuff) -> Option<(Option<MdInfo>, &Dst)> {
    let (info, route) = skb.md_info_and_route();
    Some((info, route?))
}

/// Looks up the bundle of a packet, and remembers it for packets with the same key, if `key` is
/// given.
///
/// Without states for the packet, it is to wait if it may (`may_wait`) and the kernel is set to let
/// packets wait (`net.core.xfrm_larval_drop`). Otherwise it is to be dropped, and its sender is
/// told; as it is where policies or routes refuse the packet.
#[cold]
#[inline(never)]
pub(super) fn find(
    dev: &Device<Interface>,
    skb: &mut OwnedSkBuff,
    family: Family,
    key: Option<&BundleKey>,
    may_wait: bool,
    rcu: &rcu::Guard,
) -> Result<ARef<Dst>, Refusal> {
    let mut flow = Flow::of(skb, family, dev.net(rcu)).map_err(|_| Cause::Label)?;
    let (metadata, route) = route(dev, skb, &mut flow, rcu)?;
    let info = connection(dev, metadata, &route)?;
    // The device's `if_id` may have been changed since the key was made.
    let key = key.filter(|key| key.is_of(info));
    let look_up = key.and_then(|key| BeforeLookUp::begin(*key, dev.link_net(), rcu));
    flow.set_output_device(info.link);

    // A packet without metadata has its route attached.
    let put_away = metadata.map(|_| route.clone());
    let bundle = bundle_of_connection(dev, route, &flow, info.if_id);
    trace_look_up(dev, skb, info, bundle.as_ref().err().copied());
    if may_wait && matches!(bundle, Err(err) if err == EAGAIN) {
        return Err(Refusal::Wait(info.if_id));
    }
    if let Some(route) = put_away {
        skb.set_dst(route);
    }
    let bundle = bundle.map_err(|err| no_bundle(dev, skb, Cause::of_look_up(err), rcu))?;
    dev.data().stats.count(Event::LookedUp);
    if bundle.device(rcu).is(dev) {
        dev.count(Counter::Collisions);
        dev.warn_ratelimited(c"Local routing loop detected!");
        return Err(Cause::Loop.into());
    }
    let (head, tail) = bundle.room();
    dev.update_needed_room(
        head.saturating_add(bundle.device(rcu).reserved_space()),
        tail,
    );
    if let Some((look_up, holds)) = look_up.zip(holds(dev, rcu)) {
        match look_up.found(&bundle, &flow, holds, rcu) {
            Some(Placed::Evicted) => dev.data().stats.count(Event::Evicted),
            Some(Placed::Refused) => dev.data().stats.count(Event::Refused),
            Some(Placed::Added) | None => {}
        }
    }
    Ok(bundle)
}

/// Keeps the namespaces of a device, to which its bundles refer. `None` while one of them is
/// removed: what was remembered for that has been forgotten, or is just about to be.
fn holds(dev: &Device<Interface>, rcu: &rcu::Guard) -> Option<(Hold, Option<Hold>)> {
    let hold = |net| Interface::KIND.get().hold(net, rcu);
    let of_link = hold(dev.link_net())?;
    if dev.net(rcu).is(dev.link_net()) {
        return Some((of_link, None));
    }
    Some((of_link, Some(hold(dev.net(rcu))?)))
}

/// Tells whoever listens that the bundle of a packet of the connection `info` was looked up.
fn trace_look_up(dev: &Device<Interface>, skb: &SkBuff, info: MdInfo, error: Option<Error>) {
    let packet = Packet {
        dev,
        skb,
        if_id: info.if_id,
        link: info.link,
    };
    packet.looked_up(error.map_or(Ok(()), Err));
}

/// Counts a packet for which there is no bundle (`tx_carrier_errors`), because of `cause`, and
/// tells its sender (`dst_link_failure()`). Returns the cause.
pub(super) fn no_bundle(
    dev: &Device<Interface>,
    skb: &mut OwnedSkBuff,
    cause: Cause,
    rcu: &rcu::Guard,
) -> Cause {
    dev.count(Counter::TxCarrier);
    attach_route(skb);
    icmp::send_unreachable(skb, rcu);
    cause
}

/// The connection that the packet's metadata names, if it has any, and the route that the packet
/// takes without IPsec. Without metadata that route is left attached to the packet, for errors that
/// concern it.
///
/// A packet that was redirected here may have no route, or only the metadata it was received with.
/// Then a route is looked up. If there is none, the packet is counted (`tx_carrier_errors`).
fn route(
    dev: &Device<Interface>,
    skb: &mut OwnedSkBuff,
    flow: &mut Flow,
    rcu: &rcu::Guard,
) -> Result<(Option<MdInfo>, ARef<Dst>), Cause> {
    let (metadata, route) = skb.md_info_and_route();
    let route = match route.map(ARef::from) {
        Some(route) if metadata.is_none() => return Ok((None, route)),
        Some(route) => route,
        None => route_of_device(dev, flow, rcu)?,
    };
    if metadata.is_none() {
        skb.set_dst(route.clone());
    }
    Ok((metadata, route))
}

/// The route that packets of `flow` take through the device. If there is none, a packet is counted
/// (`tx_carrier_errors`).
pub(super) fn route_of_device(
    dev: &Device<Interface>,
    flow: &mut Flow,
    rcu: &rcu::Guard,
) -> Result<ARef<Dst>, Cause> {
    flow.set_output_device(dev.ifindex());
    flow.allow_any_source();
    flow.route(dev.net(rcu)).map_err(|_| {
        dev.count(Counter::TxCarrier);
        Cause::NoRoute
    })
}

/// The connection that a packet belongs to which is not sent, as far as is known.
#[cold]
pub(super) fn info(dev: &Device<Interface>, skb: &mut OwnedSkBuff) -> MdInfo {
    let (metadata, route) = skb.md_info_and_route();
    let of_route = route.and_then(|route| connection(dev, metadata, route).ok());
    of_route.or(metadata).unwrap_or(MdInfo {
        if_id: dev.data().if_id().unwrap_or(0),
        link: dev.data().link,
    })
}

/// Attaches the route again that was put away with the metadata, if one was.
pub(super) fn attach_route(skb: &mut OwnedSkBuff) {
    if let (Some(_), Some(route)) = skb.md_info_and_route() {
        let route = ARef::from(route);
        skb.set_dst(route);
    }
}

/// The connection that a packet with this metadata and route belongs to. On an external device
/// there may be none.
pub(super) fn connection(
    dev: &Device<Interface>,
    metadata: Option<MdInfo>,
    route: &Dst,
) -> Result<MdInfo, Cause> {
    match dev.data().mode() {
        Mode::Static(if_id) => Ok(MdInfo {
            if_id: if_id.get(),
            link: dev.data().link,
        }),
        Mode::External(_) => metadata
            .or_else(|| route.xfrm_info())
            .ok_or(Cause::NoConnection),
    }
}

/// The bundle of the connection `if_id` (host byte order) for packets of `flow`.
///
/// Fails as [`xfrm::lookup_with_ifid`] does, with `EAGAIN` if packets are to wait for states; and
/// with `ENOENT` if nothing of this connection would transform them.
pub(super) fn bundle_of_connection(
    dev: &Device<Interface>,
    route: ARef<Dst>,
    flow: &Flow,
    if_id: u32,
) -> Result<ARef<Dst>> {
    let bundle = xfrm::lookup_with_ifid(dev.link_net(), route, flow, if_id)?;
    match bundle.state() {
        Some(state) if state.if_id() == if_id => Ok(bundle),
        _ => Err(ENOENT),
    }
}
