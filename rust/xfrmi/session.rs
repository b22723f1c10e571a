// SPDX-License-Identifier: GPL-2.0

//! What the policy check asks about packets that came in: which policies they have to satisfy.
//!
//! In softirq context, under RCU.
//!
//! C source: `xfrmi_decode_session()` in
//! [`net/xfrm/xfrm_interface_core.c`](srctree/net/xfrm/xfrm_interface_core.c)

use super::{
    interface::Interface,
    table, //
};

use crate::net::{
    netdevice::NetDevice,
    skb::SkBuff,
    xfrm::{
        Session,
        SessionDecoder, //
    },
    Family, //
};

use kernel::sync::rcu;

/// The decoder for XFRM interfaces: a packet that came in by one has to satisfy the policies of its
/// connection, in the link namespace of the device. Where it is shown meanwhile is no matter.
pub(crate) struct Decoder;

impl SessionDecoder for Decoder {
    #[inline]
    fn decode<'g>(skb: &SkBuff, family: Family, rcu: &'g rcu::Guard) -> Option<Session<'g>> {
        let state = skb.connection()?;
        let shown_on = match skb.vrf_member_ifindex(family) {
            0 => skb.device(rcu)?,
            // The device is in a VRF, whose device the packet has now.
            ifindex => NetDevice::by_index(state.net(), ifindex, rcu)?,
        };
        let dev = match shown_on.downcast::<Interface>() {
            Some(dev) => dev,
            // It came in by the VRF of its connection, or was redirected.
            None => table::owner(state.net(), state.if_id(), rcu)?,
        };
        dev.is_up().then(|| Session {
            net: dev.link_net(),
            if_id: dev.data().policy_if_id(state.if_id()),
        })
    }
}
