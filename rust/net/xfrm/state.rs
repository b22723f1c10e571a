// SPDX-License-Identifier: GPL-2.0

//! IPsec states, that is security associations.
//!
//! States come from packets ([`SkBuff::connection`], [`SkBuff::last_state`]), bundles
//! ([`Dst::state`]) and errors ([`IcmpError::state`](super::IcmpError::state)). They can be looked
//! at, not changed: user space and the key managers do that.
//!
//! A [`State`] is read in any context. Looking one up needs RCU and does not sleep.
//!
//! C source: [`net/xfrm/xfrm_state.c`](srctree/net/xfrm/xfrm_state.c); C header:
//! [`include/net/xfrm.h`](srctree/include/net/xfrm.h), `struct xfrm_state`
//!
//! # Examples
//!
//! What a driver wants to know of the state that a packet came through:
//!
//! ```
//! use crate::net::{
//!     skb::SkBuff,
//!     xfrm::State,
//!     Family, //
//! };
//!
//! /// The `if_id` of the state, and the family of the packet inside, if there was one inside.
//! fn describe(skb: &SkBuff, state: &State) -> (u32, Option<Family>) {
//!     // It may change at any time, so it is read once.
//!     let if_id = state.if_id();
//!     let inner = state.is_tunnel().then(|| state.inner_family(skb));
//!     (if_id, inner.flatten())
//! }
//! # let _: fn(&SkBuff, &State) -> (u32, Option<Family>) = describe;
//! ```

use super::{
    Protocol,
    Spi, //
};

use crate::{
    bindings,
    compat::casts::u32_into_u8,
    net::{
        atomic::{
            read_acquire,
            read_once, //
        },
        dst::Dst,
        net_namespace::Net,
        skb::SkBuff,
        Family, //
    }, //
};

use core::{
    ops::Deref,
    ptr::NonNull, //
};

use kernel::{
    prelude::*,
    sync::aref::ARef,
    types::Opaque, //
};

/// A state (`struct xfrm_state`).
///
/// It is only ever borrowed, from a packet that came through it, a bundle, or an error about a
/// packet that it sent. A reference of its own would keep the state, but not the namespace that the
/// state points to.
#[repr(transparent)]
pub(crate) struct State(Opaque<bindings::xfrm_state>);

/// A state that was looked up, for as long as the packet that it was looked up for is handled.
///
/// # Invariants
///
/// The pointer is to a state of which this value holds a reference.
pub(crate) struct OwnedState(NonNull<State>);

impl Deref for OwnedState {
    type Target = State;

    fn deref(&self) -> &State {
        // SAFETY: The type invariant.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for OwnedState {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the reference is ours.
        unsafe { bindings::xfrm_state_put(self.as_raw()) };
    }
}

impl Net {
    /// How large the hash tables of states are (`state_hmask`). They never shrink.
    ///
    /// Of states that are as good as each other a look-up takes the first, and growing a table
    /// changes their order.
    pub(crate) fn state_table_size(&self) -> u32 {
        // SAFETY: The namespace is live, and the number is accessed atomically.
        unsafe { read_acquire(&raw mut (*self.as_raw()).xfrm.state_hmask) }
    }
}

impl State {
    /// The state that `ptr` points to.
    ///
    /// # Safety
    ///
    /// `ptr` is to a state that lives for `'a`.
    pub(in crate::net) unsafe fn from_raw<'a>(ptr: *const bindings::xfrm_state) -> &'a Self {
        // SAFETY: The layout is the same, and the contract is the caller's.
        unsafe { &*ptr.cast() }
    }

    /// The state for the C side.
    pub(super) fn as_raw(&self) -> *mut bindings::xfrm_state {
        self.0.get()
    }

    /// The `if_id` of the interface that the state belongs to, in host byte order; 0 for none. It
    /// may change while the state is used (`XFRM_MSG_UPDSA`).
    pub(crate) fn if_id(&self) -> u32 {
        // SAFETY: The state is live. An update of the state changes the field while it is read.
        unsafe { read_once(&raw const (*self.as_raw()).if_id) }
    }

    /// Whether the kernel has made the state for what IPComp does not compress (`tunnel_users`).
    /// All connections between two addresses share such a state, and it has the `if_id` of the
    /// first of them.
    pub(in crate::net) fn is_shared(&self) -> bool {
        // SAFETY: The state is live. The field counts users, while it is read.
        unsafe { read_once(&raw const (*self.as_raw()).tunnel_users.counter) != 0 }
    }

    /// Whether the state is only for flows that have certain labels of a security module.
    pub(super) fn has_label(&self) -> bool {
        // SAFETY: The state is live, and the field does not change.
        unsafe { !(*self.as_raw()).security.is_null() }
    }

    /// The mark by which the route of a packet is looked up once it went through the state; `mark`
    /// is the packet's own. Both are in host byte order.
    ///
    /// It is the mark that the state sets (`XFRMA_SET_MARK`), which may leave some bits as they
    /// are; 0 if the state sets none.
    pub(in crate::net) fn route_mark(&self, mark: u32) -> u32 {
        // SAFETY: The state is live; an update of it changes the fields while they are read.
        let (value, mask) = unsafe {
            let smark = &raw const (*self.as_raw()).props.smark;
            (
                read_once(&raw const (*smark).v),
                read_once(&raw const (*smark).m),
            )
        };
        if value == 0 && mask == 0 {
            return 0;
        }
        value & mask | mark & !mask
    }

    /// The route that packets take once they went through the state, looked up as for a bundle
    /// (`xfrm_bundle_create()`).
    ///
    /// `oif` is the index of the device that the packets are to leave through, of which no more
    /// counts than the VRF it is or belongs to; 0 for none. `tos` and `mark` (host byte order) are
    /// the packets' own. Fails as the look-up of a route does, for instance with `ENETUNREACH`.
    ///
    /// Packets in UDP or TCP are routed by their ports, too. Those are left out here, because
    /// errors about such packets are for UDP and TCP.
    pub(in crate::net) fn route(&self, oif: c_int, tos: u8, mark: u32) -> Result<ARef<Dst>> {
        let state = self.as_raw();
        // SAFETY: The state is live, and neither its addresses nor its family or protocol change.
        let (family, params) = unsafe {
            let params = bindings::xfrm_dst_lookup_params {
                net: self.net().as_raw(),
                dscp: tos & u32_into_u8::<{ bindings::INET_DSCP_MASK }>(),
                oif,
                saddr: &raw mut (*state).props.saddr,
                daddr: &raw mut (*state).id.daddr,
                mark,
                ipproto: (*state).id.proto,
                ..Default::default()
            };
            ((*state).props.family, params)
        };
        // SAFETY: The namespace and the state, in which the addresses are, are live.
        let route = unsafe { bindings::__xfrm_dst_lookup(family.into(), &raw const params) };
        // SAFETY: The look-up returned a reference for us.
        unsafe { Dst::from_look_up(route) }
    }

    /// The namespace that the state is in.
    pub(crate) fn net(&self) -> &Net {
        // SAFETY: The state is live, and goes before its namespace does, which does not change.
        unsafe { Net::from_possible(&raw const (*self.as_raw()).xs_net) }
    }

    /// Whether packets have an IP header of their own inside, as in the modes tunnel, BEET and
    /// IPTFS (`XFRM_MODE_FLAG_TUNNEL`).
    pub(crate) fn is_tunnel(&self) -> bool {
        // SAFETY: The state is live, and its modes do not change.
        let flags = unsafe { (*self.as_raw()).outer_mode.flags };
        u32::from(flags) & bindings::XFRM_MODE_FLAG_TUNNEL != 0
    }

    /// Whether ICMP errors may come through the state whose own addresses its policies do not cover
    /// (`XFRM_STATE_ICMP`).
    pub(crate) fn lets_icmp_in(&self) -> bool {
        // SAFETY: The state is live; others write the whole field.
        let flags = unsafe { read_once(&raw const (*self.as_raw()).props.flags) };
        u32::from(flags) & bindings::XFRM_STATE_ICMP != 0
    }

    /// The address family of the packet inside that the state has taken out of another one, which
    /// is now `skb` (`xfrm_ip2inner_mode()`).
    pub(crate) fn inner_family(&self, skb: &SkBuff) -> Option<Family> {
        // The mode of a state whose selector has no family follows the inner packet.
        //
        // SAFETY: Both are live, and the control block is that of IPsec's input.
        let mode = unsafe {
            let protocol = (*bindings::XFRM_MODE_SKB_CB(skb.as_raw())).protocol;
            bindings::xfrm_ip2inner_mode(self.as_raw(), protocol.into())
        };
        // SAFETY: The mode is in the state, and does not change.
        Family::from_raw(unsafe { (*mode).family }.into())
    }

    /// The state that a packet is about to enter, if it is there.
    ///
    /// The packet's transport header is that of the protocol `nexthdr`. `spi` is in network byte
    /// order; if it is 0, the SPI is in that header.
    ///
    /// # Safety
    ///
    /// The packet has a network header of `family`.
    pub(super) unsafe fn next(
        skb: &mut SkBuff,
        nexthdr: c_int,
        spi: u32,
        family: Family,
    ) -> Option<OwnedState> {
        // SAFETY: The contract of this function; the packet is borrowed exclusively.
        let state =
            unsafe { bindings::datapath_next_state(skb.as_raw(), nexthdr, spi, family.as_raw()) };
        // INVARIANT: The look-up returned a reference for us.
        NonNull::new(state).map(|state| OwnedState(state.cast()))
    }

    /// The state of `net` that takes what IPComp has left as it was, a packet in `skb`, if there is
    /// one. The network header is contiguous in memory.
    pub(super) fn find_tunnel(net: &Net, skb: &SkBuff, family: Family) -> Option<OwnedState> {
        // SAFETY: The namespace is live; the packet is valid, and has a header of that family.
        let state = unsafe {
            bindings::datapath_next_tunnel_state(skb.as_raw(), net.as_raw(), family.as_raw())
        };
        // INVARIANT: The look-up returned a reference for us.
        NonNull::new(state).map(|state| OwnedState(state.cast()))
    }

    /// The state of `net` that an IPsec packet belongs to, if it is there. The packet is where
    /// `skb` begins: it may be one that an error quotes.
    pub(super) fn find(
        net: &Net,
        skb: &SkBuff,
        family: Family,
        protocol: Protocol,
        spi: Spi,
    ) -> Option<OwnedState> {
        let mut address = bindings::xfrm_address_t::default();
        match family {
            Family::Inet => {
                let offset = core::mem::offset_of!(bindings::iphdr, __bindgen_anon_1) + 4;
                address.a4 = u32::from_ne_bytes(skb.bytes(offset)?);
            }
            Family::Inet6 => {
                let offset = core::mem::offset_of!(bindings::ipv6hdr, __bindgen_anon_1) + 16;
                let bytes: [u8; 16] = skb.bytes(offset)?;
                address.a6 = zerocopy::transmute!(bytes);
            }
        }
        // SAFETY: The namespace is live, the address valid for the call.
        let state = unsafe {
            bindings::xfrm_state_lookup(
                net.as_raw(),
                skb.mark(),
                &raw const address,
                spi.0,
                protocol.as_raw(),
                family.as_raw(),
            )
        };
        // INVARIANT: The look-up returned a reference for us.
        NonNull::new(state).map(|state| OwnedState(state.cast()))
    }
}
