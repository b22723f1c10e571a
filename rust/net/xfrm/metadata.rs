// SPDX-License-Identifier: GPL-2.0

//! Which IPsec connection a packet belongs to, as its metadata or its route says.
//!
//! A device that serves many connections learns from the packet which one it is meant for, and says
//! on packets that came in which one they came through. Both are an [`MdInfo`]. It is attached to a
//! packet as metadata, in the place of its route (`METADATA_XFRM`), by the driver or a BPF program;
//! or it is part of the route itself (`ip route … encap xfrm`, see [`EncapOps`](super::EncapOps)).
//! Metadata may keep the route that a packet had before.
//!
//! Packets are read and written by whoever has them, in any context. Making metadata does not
//! sleep.
//!
//! C headers: [`include/net/dst_metadata.h`](srctree/include/net/dst_metadata.h),
//! [`include/net/lwtunnel.h`](srctree/include/net/lwtunnel.h)
//!
//! # Examples
//!
//! Metadata is attached to packets, and read back:
//!
//! ```
//! use crate::net::xfrm::{
//!     MdInfo,
//!     SharedMetadata, //
//! };
//!
//! let info = MdInfo { if_id: 7, link: 3 };
//! let metadata = SharedMetadata::new(info)?;
//! # let packet = crate::net::tests::packet::packet;
//! # let (mut one, mut other) = (packet(&[0x45; 20])?, packet(&[0x45; 20])?);
//!
//! assert!(matches!(one.md_info_and_route(), (None, None)));
//! // Any number of packets may share it.
//! one.set_metadata(metadata.clone().into_inner());
//! other.set_metadata(metadata.into_inner());
//! drop(one);
//! assert!(other.md_info_and_route().0 == Some(info));
//! ```
//!
//! Who sends a packet prefers what was attached to it over what its route says:
//!
//! ```
//! use crate::net::{
//!     skb::SkBuff,
//!     xfrm::MdInfo, //
//! };
//!
//! fn connection(skb: &mut SkBuff) -> Option<MdInfo> {
//!     let (info, route) = skb.md_info_and_route();
//!     info.or_else(|| route?.xfrm_info())
//! }
//! #
//! # let mut skb = crate::net::tests::packet::packet(&[0x45; 20])?;
//! # assert!(connection(&mut skb).is_none());
//! ```

use crate::{
    bindings,
    net::{
        dst::{
            Dst,
            Metadata,
            SkbDst, //
        },
        nexthop::Path,
        skb::SkBuff, //
    }, //
};

use core::ptr::{
    self,
    NonNull, //
};

use kernel::{
    prelude::*,
    sync::aref::ARef, //
};

/// Which IPsec connection a packet belongs to (`struct xfrm_md_info`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct MdInfo {
    /// The `if_id` of the connection's policies and states, in host byte order.
    pub(crate) if_id: u32,
    /// The interface index of the device to send through, or that it was received through; 0 for
    /// any, or unknown.
    pub(crate) link: c_int,
}

impl MdInfo {
    /// Reads the info that `info` points to, without the route in it.
    ///
    /// # Safety
    ///
    /// `info` is valid for reads, and nobody writes there.
    unsafe fn from_raw(info: *const bindings::xfrm_md_info) -> Self {
        // SAFETY: The contract of this function.
        unsafe {
            Self {
                if_id: (*info).if_id,
                link: (*info).link,
            }
        }
    }

    /// The info for the C side, which takes over the reference to `route`.
    pub(super) fn into_raw(self, route: Option<ARef<Dst>>) -> bindings::xfrm_md_info {
        bindings::xfrm_md_info {
            if_id: self.if_id,
            link: self.link,
            dst_orig: route.map_or(ptr::null_mut(), Dst::into_raw),
        }
    }
}

/// The number of the encapsulation that assigns packets to IPsec connections
/// (`LWTUNNEL_ENCAP_XFRM`).
pub(super) const ENCAP_XFRM: u32 = bindings::lwtunnel_encap_types_LWTUNNEL_ENCAP_XFRM;

impl Dst {
    /// The connection that the route assigns packets to (`ip route … encap xfrm`), if it does.
    pub(crate) fn xfrm_info(&self) -> Option<MdInfo> {
        // SAFETY: The dst is live and holds a reference to its tunnel state.
        unsafe {
            let state = (*self.as_raw()).lwtstate;
            if state.is_null() || u32::from((*state).type_) != ENCAP_XFRM {
                return None;
            }
            // The state carries a `struct xfrm_md_info`, whoever builds it.
            let info = (&raw const (*state).data).cast::<bindings::xfrm_md_info>();
            Some(MdInfo::from_raw(info))
        }
    }
}

impl Path<'_> {
    /// The connection that the nexthop assigns packets to (`encap xfrm`), if it does.
    pub(crate) fn xfrm_info(&self) -> Option<MdInfo> {
        let state = self.tunnel_state()?;
        if u32::from(state.type_) != ENCAP_XFRM {
            return None;
        }
        // SAFETY: The state carries a `struct xfrm_md_info`, whoever builds it.
        Some(unsafe { MdInfo::from_raw((&raw const state.data).cast()) })
    }
}

impl Metadata {
    /// Makes metadata (`METADATA_XFRM`) that says which connection a packet belongs to, and keeps
    /// the `route` that the packet had. Fails with `ENOMEM`; does not sleep.
    pub(in crate::net) fn new_xfrm(info: MdInfo, route: Option<ARef<Dst>>) -> Result<ARef<Self>> {
        // SAFETY: It only allocates.
        let metadata = unsafe {
            bindings::metadata_dst_alloc(
                0,
                bindings::metadata_type_METADATA_XFRM,
                kernel::bindings::GFP_ATOMIC,
            )
        };
        let metadata = NonNull::new(metadata).ok_or(ENOMEM)?;
        // SAFETY: The allocation is new, and of this type.
        unsafe {
            (&raw mut (*metadata.as_ptr()).u)
                .cast::<bindings::xfrm_md_info>()
                .write(info.into_raw(route))
        };
        // SAFETY: The allocation comes with one reference.
        Ok(unsafe { Self::from_owned(metadata) })
    }

    /// Which connection the packet belongs to, and the route that it had before the metadata was
    /// attached; `None` if this is metadata of another kind.
    pub(crate) fn xfrm_info(&self) -> Option<(MdInfo, Option<&Dst>)> {
        let metadata = self.as_raw();
        // SAFETY: The metadata is live, and nobody changes it. The type says which member of the
        // union is used. It holds a reference to the route, if it has one.
        unsafe {
            if (*metadata).type_ != bindings::metadata_type_METADATA_XFRM {
                return None;
            }
            let info = (&raw const (*metadata).u).cast::<bindings::xfrm_md_info>();
            let route = (*info).dst_orig.cast_const().cast::<Dst>();
            Some((MdInfo::from_raw(info), route.as_ref()))
        }
    }
}

impl SkBuff {
    /// The connection that the packet's metadata names, if it has any, and the route that the
    /// packet has, or had before the metadata was attached.
    #[inline]
    pub(crate) fn md_info_and_route(&mut self) -> (Option<MdInfo>, Option<&Dst>) {
        match self.dst() {
            SkbDst::Route(route) => (None, Some(route)),
            SkbDst::Metadata(metadata) => match metadata.xfrm_info() {
                Some((info, route)) => (Some(info), route),
                None => (None, None),
            },
            SkbDst::None => (None, None),
        }
    }

    /// Attaches metadata that name the connection `info`, and keep `route`, instead of what was
    /// attached. Fails with `ENOMEM`; does not sleep.
    pub(crate) fn set_md_info(&mut self, info: MdInfo, route: ARef<Dst>) -> Result {
        self.set_metadata(Metadata::new_xfrm(info, Some(route))?);
        Ok(())
    }
}

/// Metadata that says which IPsec connection packets belong to, to be attached to any number of
/// them. Nobody changes it.
///
/// # Invariants
///
/// The metadata has no route.
#[derive(Clone)]
pub(crate) struct SharedMetadata(ARef<Metadata>);

// SAFETY: The object is shared between CPUs, does not change, and refers to no namespace.
unsafe impl Send for SharedMetadata {}
// SAFETY: As above.
unsafe impl Sync for SharedMetadata {}

impl SharedMetadata {
    /// Makes metadata that says `info`. Fails with `ENOMEM`; does not sleep.
    pub(crate) fn new(info: MdInfo) -> Result<Self> {
        // INVARIANT: There is no route.
        Metadata::new_xfrm(info, None).map(Self)
    }
}

impl SharedMetadata {
    /// The metadata, to be attached to one packet.
    pub(crate) fn into_inner(self) -> ARef<Metadata> {
        self.0
    }
}
