// SPDX-License-Identifier: GPL-2.0

//! What is remembered for packets is known by these keys.
//!
//! A key has to hold all that its result depends on and that no [`Generation`](super::changes)
//! stands for: two packets with the same key get the same result. Keys are made and compared for
//! each packet.
//!
//! # Examples
//!
//! Metadata that says the same is known by the same key:
//!
//! ```
//! use crate::{
//!     net::xfrm::MdInfo,
//!     xfrmi::key::InfoKey, //
//! };
//!
//! let info = MdInfo { if_id: 7, link: 3 };
//! assert!(InfoKey::new(info) == InfoKey::new(info));
//! assert!(InfoKey::new(info) != InfoKey::new(MdInfo { link: 4, ..info }));
//! ```
//!
//! A bundle is known by the flow of the packet, its route and its connection:
//!
//! ```
//! use crate::{
//!     net::{
//!         dst::Dst,
//!         flow::FlowKey,
//!         net_namespace::Net,
//!         skb::SkBuff,
//!         xfrm::MdInfo,
//!         Family, //
//!     },
//!     xfrmi::key::BundleKey, //
//! };
//!
//! fn key(skb: &SkBuff, family: Family, route: &Dst, info: MdInfo, net: &Net) -> Option<BundleKey>
//! {
//!     let flow = FlowKey::of(skb, family)?;
//!     Some(BundleKey::new(flow, route.id(), info, net))
//! }
//! # let _: fn(&SkBuff, Family, &Dst, MdInfo, &Net) -> Option<BundleKey> = key;
//! ```

use super::hash::{
    mix,
    Key, //
};

use crate::net::{
    flow::FlowKey,
    net_namespace::Net,
    xfrm::MdInfo, //
};

/// What a bundle is known by: all that tells one look-up from another.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct BundleKey {
    /// What the look-up takes from the packet.
    flow: FlowKey,
    /// The id of the route ([`Dst::id`](crate::net::dst::Dst::id)). Packets of one flow may have
    /// several.
    route: u64,
    /// The connection, and the device to send through.
    connection: InfoKey,
    /// The id of the namespace that has the policies and states ([`Net::id`]).
    net: u64,
}

impl BundleKey {
    /// The key for packets of `flow` on the route with the id `route` that belong to the connection
    /// `info` of the namespace `net`.
    #[inline]
    pub(crate) fn new(flow: FlowKey, route: u64, info: MdInfo, net: &Net) -> Self {
        Self {
            flow,
            route,
            connection: InfoKey::new(info),
            net: net.id(),
        }
    }

    /// The `if_id` of the connection, in host byte order.
    #[inline]
    pub(crate) fn if_id(&self) -> u32 {
        // CAST: The upper half is the `if_id`.
        (self.connection.0 >> 32) as u32
    }

    /// Whether the key is for packets of this connection.
    pub(crate) fn is_of(&self, info: MdInfo) -> bool {
        self.connection == InfoKey::new(info)
    }
}

impl Key for BundleKey {
    #[inline]
    fn hash(&self, seed: u64) -> u64 {
        let ([a, b, c], more) = self.flow.words();
        let hash = mix(seed, self.route, self.connection.0);
        let hash = mix(mix(hash, a, b), c, self.net);
        match more {
            Some([a, b, c]) => mix(mix(hash, a, b), c, 0),
            None => hash,
        }
    }
}

/// What metadata is known by: all that it says.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct InfoKey(u64);

impl InfoKey {
    /// The key for metadata that say `info`.
    #[inline]
    pub(crate) fn new(info: MdInfo) -> Self {
        // CAST: Indices of devices are not negative.
        Self(u64::from(info.if_id) << 32 | u64::from(info.link as u32))
    }
}

impl Key for InfoKey {
    #[inline]
    fn hash(&self, seed: u64) -> u64 {
        mix(seed, self.0, 0)
    }
}
