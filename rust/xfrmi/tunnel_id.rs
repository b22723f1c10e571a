// SPDX-License-Identifier: GPL-2.0

//! Packets whose connection is named by the id of an IP tunnel.
//!
//! TC (`action tunnel_key set id 7`), Open vSwitch (`set(tunnel(tun_id=7))`) and BPF programs
//! (`bpf_skb_set_tunnel_key()`) tell tunnel devices by such an id through which tunnel a packet is
//! to be sent. To an external device it is the `if_id`, for want of anything of IPsec's own in
//! those.
//!
//! Called for packets on their way out: with softirqs disabled, under RCU.

use super::{
    interface::{
        Interface,
        Mode, //
    },
    look_up,
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
    sync::rcu, //
};

/// Replaces the metadata of an IP tunnel that a packet is to be sent through by that of the
/// connection with this id, and the route of the device. Returns whether that was done.
///
/// Static devices take no notice, nor does an external one of the tunnel that a packet was received
/// through. Fails for an id that can't be an `if_id`: 0, or more than 32 bits.
#[cold]
#[inline(never)]
pub(super) fn adopt(
    dev: &Device<Interface>,
    skb: &mut OwnedSkBuff,
    family: Family,
    rcu: &rcu::Guard,
) -> Result<bool, Cause> {
    let SkbDst::Metadata(metadata) = skb.dst() else {
        return Ok(false);
    };
    let Some(id) = metadata.tunnel_id_to_send() else {
        return Ok(false);
    };
    if !matches!(dev.data().mode(), Mode::External(_)) {
        return Ok(false);
    }
    let if_id = u32::try_from(id).map_err(|_| Cause::NoConnection)?;
    if if_id == 0 {
        return Err(Cause::NoConnection);
    }
    let mut flow = Flow::of(skb, family, dev.net(rcu)).map_err(|_| Cause::Label)?;
    let route = look_up::route_of_device(dev, &mut flow, rcu)?;
    skb.set_md_info(MdInfo { if_id, link: 0 }, route)
        .map_err(|_| Cause::Memory)?;
    Ok(true)
}
