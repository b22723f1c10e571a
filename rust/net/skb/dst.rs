// SPDX-License-Identifier: GPL-2.0

//! What is attached to a packet: a route or metadata.
//!
//! The methods may be called in any context in which the packet may be used.
//!
//! C headers: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h),
//! [`include/net/dst.h`](srctree/include/net/dst.h)
//!
//! # Examples
//!
//! A tunnel device receives a packet and attaches its metadata:
//!
//! ```
//! use crate::net::{
//!     dst::SkbDst,
//!     xfrm::{
//!         MdInfo,
//!         SharedMetadata, //
//!     }, //
//! };
//! # use crate::net::tests::packet::packet;
//!
//! let mut skb = packet(&[0; 20])?;
//! assert!(matches!(skb.dst(), SkbDst::None));
//!
//! let metadata = SharedMetadata::new(MdInfo { if_id: 7, link: 0 })?;
//! skb.set_metadata(metadata.into_inner());
//! assert!(matches!(skb.dst(), SkbDst::Metadata(_)));
//!
//! skb.drop_dst();
//! assert!(matches!(skb.dst(), SkbDst::None));
//! ```
//!
//! A tunnel device tells a sender that its packet does not fit:
//!
//! ```
//! use crate::net::skb::SkBuff;
//!
//! fn check(skb: &mut SkBuff, mtu: u32) -> Result {
//!     if !skb.exceeds(mtu) {
//!         return Ok(());
//!     }
//!     skb.update_pmtu(mtu);
//!     Err(EMSGSIZE)
//! }
//!
//! # use crate::net::tests::packet::packet;
//! assert!(check(&mut *packet(&[0; 20])?, 20).is_ok());
//! assert!(check(&mut *packet(&[0; 20])?, 19) == Err(EMSGSIZE));
//! ```

use super::SkBuff;

use crate::{
    bindings,
    compat::casts::u32_as_usize,
    net::dst::{
        Dst,
        Metadata,
        SkbDst, //
    }, //
};

use kernel::{
    prelude::*,
    sync::aref::ARef, //
};

impl SkBuff {
    /// Returns the pointer to what is attached, with the flag `SKB_DST_NOREF` in its lowest bit
    /// (`skb->_skb_refdst`).
    fn refdst(&self) -> c_ulong {
        // SAFETY: Packets outside of TCP's lists have this member of the union.
        unsafe { self.fields().__bindgen_anon_3.__bindgen_anon_1._skb_refdst }
    }

    /// Returns the route or metadata that is attached (`skb_dst()`). The packet then holds a
    /// reference to it (`skb_dst_force()`), so a route that is about to go is taken off.
    pub(crate) fn dst(&mut self) -> SkbDst<'_> {
        const NOREF: c_ulong = u32_as_usize(bindings::SKB_DST_NOREF);

        if self.refdst() & NOREF != 0 {
            // SAFETY: The packet is valid and borrowed exclusively; a dst without a reference is
            // attached only within a critical section.
            unsafe { bindings::skb_dst_force(self.as_raw()) };
        }
        // CAST: Apart from that bit, the field is a pointer.
        let dst = (self.refdst() & !NOREF) as *const bindings::dst_entry;
        if dst.is_null() {
            return SkbDst::None;
        }
        // SAFETY: The packet holds a reference for as long as the dst is attached.
        unsafe { SkbDst::from_raw(dst) }
    }

    /// Attaches `route` instead of what was attached (`skb_dst_set()`).
    pub(crate) fn set_dst(&mut self, route: ARef<Dst>) {
        // SAFETY: The reference is ours.
        unsafe { self.set_dst_raw(Dst::into_raw(route)) };
    }

    /// Attaches `metadata` instead of what was attached (`skb_dst_set()`).
    pub(crate) fn set_metadata(&mut self, metadata: ARef<Metadata>) {
        // SAFETY: The reference is ours.
        unsafe { self.set_dst_raw(Metadata::into_dst(metadata)) };
    }

    /// Attaches `dst` instead of what was attached.
    ///
    /// # Safety
    ///
    /// The caller hands over a reference to `dst`.
    unsafe fn set_dst_raw(&mut self, dst: *mut bindings::dst_entry) {
        self.drop_dst();
        // SAFETY: The packet is valid and borrowed exclusively, nothing is attached now, and the
        // reference goes to the packet.
        unsafe { bindings::skb_dst_set(self.as_raw(), dst) };
    }

    /// Takes off whatever is attached (`skb_dst_drop()`).
    pub(crate) fn drop_dst(&mut self) {
        // SAFETY: The packet is valid and borrowed exclusively.
        unsafe { bindings::skb_dst_drop(self.as_raw()) };
    }

    /// Tells the route that is attached, if any, that its path takes no more than `mtu` bytes
    /// (`skb_dst_update_pmtu_no_confirm()`).
    pub(crate) fn update_pmtu(&mut self, mtu: u32) {
        if matches!(self.dst(), SkbDst::Route(_)) {
            // SAFETY: The packet is valid, and what is attached is a route.
            unsafe { bindings::skb_dst_update_pmtu_no_confirm(self.as_raw(), mtu) };
        }
    }
}
