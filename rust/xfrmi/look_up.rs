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
    remembered::BeforeLookUp, //
};

use crate::net::{
    dst::Dst,
    flow::{
        Flow,
        FlowKey, //
    },
    link::{
        Device,
        LinkOps, //
    },
    netdevice::Counter,
    pernet::Hold,
    skb::{
        DropReason,
        OwnedSkBuff, //
    },
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
    /// It never is.
    Drop(DropReason),
    /// It has to wait until key managers have negotiated states for the connection with this
    /// `if_id`. The packet still has attached what it came with.
    Wait(u32),
}

impl From<DropReason> for Refusal {
    fn from(reason: DropReason) -> Self {
        Self::Drop(reason)
    }
}

/// What the bundle of the packet may be known by.
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

/// The connection that the packet's metadata names, if any, and the route that it has.
pub(super) fn attached(skb: &mut OwnedSkBuff) -> Option<(Option<MdInfo>, &Dst)> {
    let (info, route) = skb.md_info_and_route();
    Some((info, route?))
}

/// Looks up the bundle of a packet, and remembers it for those with the same key, if the packet has
/// one.
///
/// A packet that `may_wait` does so if the kernel is set to let packets wait for states.
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
    let mut flow = Flow::of(skb, family, dev.net(rcu)).map_err(|_| DropReason::XFRM_POLICY)?;
    let (metadata, route) = route(dev, skb, &mut flow, rcu)?;
    let info = connection(dev, metadata, &route)?;
    // A change of the device may just have made the connection another one.
    let key = key.filter(|key| key.is_of(info));
    let look_up = key.and_then(|key| BeforeLookUp::begin(*key, dev.link_net(), rcu));
    flow.set_output_device(info.link);

    // What has no metadata has its route attached.
    let put_away = metadata.map(|_| route.clone());
    let bundle = bundle_of_connection(dev, route, &flow, info.if_id);
    if may_wait && matches!(bundle, Err(err) if err == EAGAIN) {
        return Err(Refusal::Wait(info.if_id));
    }
    if let Some(route) = put_away {
        skb.set_dst(route);
    }
    let bundle = bundle.map_err(|_| no_bundle(dev, skb))?;
    if bundle.device(rcu).is(dev) {
        dev.count(Counter::Collisions);
        dev.warn_ratelimited(c"Local routing loop detected!");
        return Err(DropReason::RECURSION_LIMIT.into());
    }
    let (head, tail) = bundle.room();
    dev.update_needed_room(
        head.saturating_add(bundle.device(rcu).reserved_space()),
        tail,
    );
    if let Some((look_up, holds)) = look_up.zip(holds(dev, rcu)) {
        look_up.found(&bundle, &flow, holds, rcu);
    }
    Ok(bundle)
}

/// Keeps the namespaces of a device, which its bundles refer to; `None` while one of them is
/// removed: what belongs to that has been forgotten, or is just about to be.
fn holds(dev: &Device<Interface>, rcu: &rcu::Guard) -> Option<(Hold, Option<Hold>)> {
    let hold = |net| Interface::KIND.get().hold(net, rcu);
    let of_link = hold(dev.link_net())?;
    if dev.net(rcu).is(dev.link_net()) {
        return Some((of_link, None));
    }
    Some((of_link, Some(hold(dev.net(rcu))?)))
}

/// Counts a packet for which there is no bundle, and tells its sender.
pub(super) fn no_bundle(dev: &Device<Interface>, skb: &mut OwnedSkBuff) -> DropReason {
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
    skb: &mut OwnedSkBuff,
    flow: &mut Flow,
    rcu: &rcu::Guard,
) -> Result<(Option<MdInfo>, ARef<Dst>), DropReason> {
    let (metadata, route) = skb.md_info_and_route();
    let route = match route.map(ARef::from) {
        Some(route) if metadata.is_none() => return Ok((None, route)),
        Some(route) => route,
        None => {
            flow.set_output_device(dev.ifindex());
            flow.allow_any_source();
            flow.route(dev.net(rcu)).map_err(|_| {
                dev.count(Counter::TxCarrier);
                DropReason::IP_OUTNOROUTES
            })?
        }
    };
    if metadata.is_none() {
        skb.set_dst(route.clone());
    }
    Ok((metadata, route))
}

/// Attaches the route that whoever has set the connection may have put away.
pub(super) fn attach_route(skb: &mut OwnedSkBuff) {
    if let (Some(_), Some(route)) = skb.md_info_and_route() {
        let route = ARef::from(route);
        skb.set_dst(route);
    }
}

/// The connection that a packet with these metadata and route belongs to.
pub(super) fn connection(
    dev: &Device<Interface>,
    metadata: Option<MdInfo>,
    route: &Dst,
) -> Result<MdInfo, DropReason> {
    match dev.data().mode() {
        Mode::Static(if_id) => Ok(MdInfo {
            if_id: if_id.get(),
            link: dev.data().link,
        }),
        Mode::External => metadata
            .or_else(|| route.xfrm_info())
            .ok_or(DropReason::TUNNEL_TXINFO),
    }
}

/// The bundle of the connection `if_id` for packets of `flow`. Fails if there is none that
/// transforms them: with `EAGAIN` if they are to wait for one.
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
