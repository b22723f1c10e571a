// SPDX-License-Identifier: GPL-2.0

//! Why packets are dropped.
//!
//! C header: [`include/net/dropreason-core.h`](srctree/include/net/dropreason-core.h)

use crate::bindings;

/// Why a packet is dropped, as `skb:kfree_skb` shows it (`enum skb_drop_reason`).
#[derive(Clone, Copy)]
pub(crate) struct DropReason(pub(super) bindings::skb_drop_reason);

impl DropReason {
    /// A protocol that the device does not carry.
    pub(crate) const UNHANDLED_PROTO: Self =
        Self(bindings::skb_drop_reason_SKB_DROP_REASON_UNHANDLED_PROTO);
    /// No route to the destination.
    pub(crate) const IP_OUTNOROUTES: Self =
        Self(bindings::skb_drop_reason_SKB_DROP_REASON_IP_OUTNOROUTES);
    /// A device that takes metadata got a packet without.
    pub(crate) const TUNNEL_TXINFO: Self =
        Self(bindings::skb_drop_reason_SKB_DROP_REASON_TUNNEL_TXINFO);
    /// IPsec policy: blocked, not covered, or covered but not negotiated.
    pub(crate) const XFRM_POLICY: Self =
        Self(bindings::skb_drop_reason_SKB_DROP_REASON_XFRM_POLICY);
    /// The packet would come back to the device that sends it.
    pub(crate) const RECURSION_LIMIT: Self =
        Self(bindings::skb_drop_reason_SKB_DROP_REASON_RECURSION_LIMIT);
    /// The device has been unregistered.
    pub(crate) const DEV_READY: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_DEV_READY);
    /// Larger than the path takes.
    pub(crate) const PKT_TOO_BIG: Self =
        Self(bindings::skb_drop_reason_SKB_DROP_REASON_PKT_TOO_BIG);
    /// Dropped by mistake of the code that had the packet.
    pub(super) const NOT_SPECIFIED: Self =
        Self(bindings::skb_drop_reason_SKB_DROP_REASON_NOT_SPECIFIED);
}
