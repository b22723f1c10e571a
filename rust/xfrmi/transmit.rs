// SPDX-License-Identifier: GPL-2.0

//! Packets on their way out: which connection they belong to, and through which states they go.
//!
//! [`transmit`] is what the device does with a packet that the stack hands to it. All of it runs
//! with softirqs disabled, under RCU.
//!
//! C source: `xfrmi_xmit()` and `xfrmi_xmit2()` in
//! [`net/xfrm/xfrm_interface_core.c`](srctree/net/xfrm/xfrm_interface_core.c)

use super::{
    interface::Interface,
    key::BundleKey,
    look_up::{
        self,
        Refusal, //
    },
    next_hop,
    remembered,
    stats::Cause,
    tunnel_id,
    wait, //
};

use crate::net::{
    dst::Dst,
    flow::FlowKey,
    icmp,
    link::Device,
    netdevice::Counter,
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

/// Sends a packet that the stack has handed to the device, lets it wait, or counts and drops it.
pub(super) fn transmit(dev: &Device<Interface>, mut skb: OwnedSkBuff, rcu: &rcu::Guard) {
    let prepared = loop {
        match prepare(dev, &mut skb, rcu) {
            Ok(bundle) => break Ok(bundle),
            Err(Unprepared::Refused(refusal)) => break Err(refusal),
            Err(Unprepared::Again) => {}
        }
    };
    match prepared {
        Ok(bundle) => send(dev, skb, bundle, rcu),
        Err(Refusal::Drop(cause)) => refuse(dev, skb, cause),
        Err(Refusal::Wait(if_id)) => {
            if let Err(mut skb) = wait::begin(dev, skb, if_id, rcu) {
                let info = look_up::info(dev, &mut skb);
                let cause = look_up::no_bundle(dev, &mut skb, Cause::NoState, rcu);
                refuse_of(dev, skb, info, cause);
            }
        }
    }
}

/// Tries again to send a packet that has been waiting ([`wait::Attempt`]). Returns it if it has to
/// wait on.
pub(crate) fn again(
    dev: &Device<Interface>,
    skb: OwnedSkBuff,
    rcu: &rcu::Guard,
) -> Option<OwnedSkBuff> {
    try_again(dev, skb, true, rcu)
}

/// As [`again`], but for the last time: a packet that can't be sent is dropped.
pub(crate) fn for_the_last_time(
    dev: &Device<Interface>,
    skb: OwnedSkBuff,
    rcu: &rcu::Guard,
) -> Option<OwnedSkBuff> {
    try_again(dev, skb, false, rcu)
}

/// Tries again to send a packet. Returns it if it has to wait on, which it only does if it may
/// (`may_wait`).
fn try_again(
    dev: &Device<Interface>,
    mut skb: OwnedSkBuff,
    may_wait: bool,
    rcu: &rcu::Guard,
) -> Option<OwnedSkBuff> {
    match prepare_again(dev, &mut skb, may_wait, rcu) {
        Ok(bundle) => send(dev, skb, bundle, rcu),
        Err(Refusal::Drop(cause)) => refuse(dev, skb, cause),
        Err(Refusal::Wait(_)) => return Some(skb),
    }
    None
}

/// Counts (`tx_errors`, `tx_dropped`) and drops a packet.
#[cold]
fn refuse(dev: &Device<Interface>, mut skb: OwnedSkBuff, cause: Cause) {
    let info = look_up::info(dev, &mut skb);
    refuse_of(dev, skb, info, cause);
}

/// As [`refuse`], for a packet of the connection `info`.
#[cold]
fn refuse_of(dev: &Device<Interface>, skb: OwnedSkBuff, info: MdInfo, cause: Cause) {
    dev.count(Counter::TxErrors);
    dev.count(Counter::TxDropped);
    dev.data().stats.drop(dev, &skb, info, true, cause);
    skb.free(cause.reason());
}

/// Why a packet has no bundle.
enum Unprepared {
    /// It is not sent.
    Refused(Refusal),
    /// What is attached to it has been replaced, by which it may be known.
    Again,
}

impl<T: Into<Refusal>> From<T> for Unprepared {
    fn from(refusal: T) -> Self {
        Self::Refused(refusal.into())
    }
}

/// The bundle through which the packet goes, or why it has none.
fn prepare(
    dev: &Device<Interface>,
    skb: &mut OwnedSkBuff,
    rcu: &rcu::Guard,
) -> Result<ARef<Dst>, Unprepared> {
    let family = skb.family().ok_or(Cause::Protocol)?;
    // A BPF flow dissector may take packets with the same header for different flows.
    let is_program = dev.net(rcu).has_flow_dissector();
    let flow = FlowKey::of(skb, family).filter(|_| !is_program);
    if flow.is_none() {
        skb.pull_network_header().map_err(|_| Cause::Malformed)?;
    }
    skb.ensure_transport_header(family);
    skb.clear_ip_control_block(family);
    let key = flow.and_then(|flow| look_up::key(dev, skb, flow));
    let known = key
        .as_ref()
        .and_then(|key| remembered::known_bundle(key, dev, rcu));
    let bundle = match known {
        Some(bundle) => {
            #[cfg(SHADOW)]
            if let Some(key) = &key {
                super::shadow::compare(dev, skb, family, key, &bundle, rcu);
            }
            bundle
        }
        None => unknown(dev, skb, family, key.as_ref(), rcu)?,
    };
    check_size(skb, family, &bundle)?;
    Ok(bundle)
}

/// The bundle of a packet for which none is known by `key`.
#[cold]
#[inline(never)]
fn unknown(
    dev: &Device<Interface>,
    skb: &mut OwnedSkBuff,
    family: Family,
    key: Option<&BundleKey>,
    rcu: &rcu::Guard,
) -> Result<ARef<Dst>, Unprepared> {
    if tunnel_id::adopt(dev, skb, family, rcu)? || next_hop::adopt(dev, skb, family, rcu)? {
        return Err(Unprepared::Again);
    }
    Ok(look_up::find(dev, skb, family, key, true, rcu)?)
}

/// As [`prepare`], for a packet that was looked up before and has been waiting.
fn prepare_again(
    dev: &Device<Interface>,
    skb: &mut OwnedSkBuff,
    may_wait: bool,
    rcu: &rcu::Guard,
) -> Result<ARef<Dst>, Refusal> {
    let family = skb.family().ok_or(Cause::Protocol)?;
    let bundle = look_up::find(dev, skb, family, None, may_wait, rcu)?;
    check_size(skb, family, &bundle)?;
    Ok(bundle)
}

/// Refuses a packet that is too large for the bundle and must not be fragmented
/// (`SKB_DROP_REASON_PKT_TOO_BIG`), and tells its sender.
#[inline]
fn check_size(skb: &mut OwnedSkBuff, family: Family, bundle: &Dst) -> Result<(), Cause> {
    let mtu = bundle.bundle_mtu();
    if skb.exceeds(mtu) {
        too_big(skb, family, mtu)
    } else {
        Ok(())
    }
}

/// As [`check_size`], for a packet that is larger than `mtu` bytes. The route learns the MTU in any
/// case.
#[cold]
#[inline(never)]
fn too_big(skb: &mut OwnedSkBuff, family: Family, mtu: u32) -> Result<(), Cause> {
    // Packets that fit need not hand one on.
    let rcu = &rcu::read_lock();
    look_up::attach_route(skb);
    // What the route has learned keeps the kernel from handing over forwarded packets of IPv6. It
    // drops them then, and looks up the error by the device, which is not where their sender is.
    if family == Family::Inet || !skb.is_from_other_vrf(rcu) {
        skb.update_pmtu(mtu);
    }
    match family {
        Family::Inet if !skb.dont_fragment() => return Ok(()),
        Family::Inet => icmp::send_too_big(skb, family, mtu, rcu),
        // Every IPv6 link takes packets of this size, so nobody is told to send smaller ones.
        Family::Inet6 if skb.len() <= icmp::IPV6_MIN_MTU => return Ok(()),
        Family::Inet6 => icmp::send_too_big(skb, family, mtu.max(icmp::IPV6_MIN_MTU), rcu),
    }
    Err(Cause::TooBig)
}

/// Sends the packet through its bundle, from the link namespace; counts what fails (`tx_errors`,
/// `tx_aborted_errors`).
fn send(dev: &Device<Interface>, skb: OwnedSkBuff, bundle: ARef<Dst>, rcu: &rcu::Guard) {
    if !dev.send(skb, bundle, rcu) {
        dev.count(Counter::TxErrors);
        dev.count(Counter::TxAborted);
    }
}
