// SPDX-License-Identifier: GPL-2.0

//! Reasons for which packets are dropped.
//!
//! The kernel shows the reason in the tracepoint `skb:kfree_skb`.
//!
//! C header: [`include/net/dropreason-core.h`](srctree/include/net/dropreason-core.h)
//!
//! # Examples
//!
//! A device that has nothing to do with a packet says so:
//!
//! ```
//! use crate::net::skb::{
//!     DropReason,
//!     OwnedSkBuff, //
//! };
//!
//! fn start_xmit(skb: OwnedSkBuff) {
//!     let reason = match skb.family() {
//!         Some(_) => DropReason::IP_OUTNOROUTES,
//!         None => DropReason::UNHANDLED_PROTO,
//!     };
//!     skb.free(reason);
//! }
//!
//! # use crate::net::tests::packet::packet;
//! start_xmit(packet(&[0; 20])?);
//! ```

use crate::bindings;

/// The reason for which a packet is dropped (`enum skb_drop_reason`).
#[derive(Clone, Copy)]
pub(crate) struct DropReason(pub(super) bindings::skb_drop_reason);

impl DropReason {
    /// The device does not carry the protocol.
    pub(crate) const UNHANDLED_PROTO: Self =
        Self(bindings::skb_drop_reason_SKB_DROP_REASON_UNHANDLED_PROTO);
    /// The packet is shorter than its header says.
    pub(crate) const PKT_TOO_SMALL: Self =
        Self(bindings::skb_drop_reason_SKB_DROP_REASON_PKT_TOO_SMALL);
    /// There is no route to the destination.
    pub(crate) const IP_OUTNOROUTES: Self =
        Self(bindings::skb_drop_reason_SKB_DROP_REASON_IP_OUTNOROUTES);
    /// There is no route by which to receive the packet.
    pub(crate) const IP_INNOROUTES: Self =
        Self(bindings::skb_drop_reason_SKB_DROP_REASON_IP_INNOROUTES);
    /// There is no memory.
    pub(crate) const NOMEM: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_NOMEM);
    /// The device needs metadata, and the packet has none that it can use.
    pub(crate) const TUNNEL_TXINFO: Self =
        Self(bindings::skb_drop_reason_SKB_DROP_REASON_TUNNEL_TXINFO);
    /// An IPsec policy blocks the packet, does not cover it, or covers it without states.
    pub(crate) const XFRM_POLICY: Self =
        Self(bindings::skb_drop_reason_SKB_DROP_REASON_XFRM_POLICY);
    /// The packet would come back to the device that sends it.
    pub(crate) const RECURSION_LIMIT: Self =
        Self(bindings::skb_drop_reason_SKB_DROP_REASON_RECURSION_LIMIT);
    /// The device has been unregistered.
    pub(crate) const DEV_READY: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_DEV_READY);
    /// The packet is larger than the path takes.
    pub(crate) const PKT_TOO_BIG: Self =
        Self(bindings::skb_drop_reason_SKB_DROP_REASON_PKT_TOO_BIG);
    /// Nobody has said why: the code that had the packet dropped it by mistake.
    pub(super) const NOT_SPECIFIED: Self =
        Self(bindings::skb_drop_reason_SKB_DROP_REASON_NOT_SPECIFIED);
}
