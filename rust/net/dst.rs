// SPDX-License-Identifier: GPL-2.0

//! Destinations: routes, bundles of transforms on top of routes, and metadata for tunnel devices.
//!
//! A [`Dst`] is a place to which packets can be sent. [`Flow::route`](super::flow::Flow::route)
//! looks one up, and [`SkBuff::set_dst`](super::skb::SkBuff::set_dst) attaches it to a packet.
//! [`Metadata`] takes its place on a packet that a tunnel device receives or sends. Both are
//! counted: an [`ARef`] holds a reference. They can be used in any context.
//!
//! C headers: [`include/net/dst.h`](srctree/include/net/dst.h),
//! [`include/net/dst_metadata.h`](srctree/include/net/dst_metadata.h)
//!
//! # Examples
//!
//! A tunnel device asks for the room that packets need in front of them:
//!
//! ```
//! use crate::net::dst::Dst;
//!
//! use kernel::sync::rcu;
//!
//! fn headroom(dst: &Dst, rcu: &rcu::Guard) -> u16 {
//!     let (transforms, _tailroom) = dst.room();
//!     transforms.saturating_add(dst.device(rcu).reserved_space())
//! }
//! # let _: fn(&Dst, &rcu::Guard) -> u16 = headroom;
//! ```
//!
//! It learns from a packet where the packet goes:
//!
//! ```
//! use crate::net::{
//!     dst::SkbDst,
//!     skb::SkBuff, //
//! };
//!
//! fn path_mtu(skb: &mut SkBuff) -> Option<u32> {
//!     match skb.dst() {
//!         SkbDst::Route(route) => Some(route.mtu()),
//!         SkbDst::None | SkbDst::Metadata(_) => None,
//!     }
//! }
//!
//! # use crate::net::tests::packet::packet;
//! // Nothing is attached to a new packet.
//! let mut skb = packet(&[0; 20])?;
//! assert!(path_mtu(&mut skb).is_none());
//! ```

use super::{
    netdevice::NetDevice,
    Family, //
};

use crate::{
    bindings,
    compat::casts::{
        u32_into_u16,
        usize_as_u64, //
    }, //
};

use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};

use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        rcu, //
    },
    types::Opaque, //
};

/// A route, or a bundle of IPsec states on top of a route (`struct dst_entry`).
///
/// The namespace of a `Dst` holds what its release needs. So a reference must not outlive the
/// namespace, and the type is not `Send`: nobody can store a `Dst` for longer than the packet for
/// which it was found. A [`Bundle`](crate::net::xfrm::Bundle) can be stored.
#[repr(transparent)]
pub(crate) struct Dst(Opaque<bindings::dst_entry>);

// SAFETY: A dst is freed when its count is zero.
unsafe impl AlwaysRefCounted for Dst {
    fn inc_ref(&self) {
        // SAFETY: The reference shows that the dst is live.
        unsafe { bindings::dst_hold(self.as_raw()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference.
        unsafe { bindings::dst_release(obj.as_ptr().cast()) };
    }
}

/// A router to which packets are handed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Router {
    /// The family of its address, which may be another one than that of the packets.
    pub(super) family: Family,
    /// Its address, in network byte order. An IPv4 address is the first word, followed by zeros.
    pub(super) address: [u32; 4],
}

impl Dst {
    /// Takes over what a look-up has returned: a route, a bundle, or an error in its place
    /// (`ERR_PTR()`). Fails with that error, and with `EINVAL` if `dst` is null.
    ///
    /// # Safety
    ///
    /// The caller hands over a reference to `dst`, unless it is an error.
    pub(super) unsafe fn from_look_up(dst: *mut bindings::dst_entry) -> Result<ARef<Self>> {
        let dst = NonNull::new(from_err_ptr(dst)?).ok_or(EINVAL)?;
        // SAFETY: The contract of this function.
        Ok(unsafe { ARef::from_raw(dst.cast()) })
    }

    /// Gives up the reference and returns the pointer, for a C function that takes it over.
    pub(super) fn into_raw(this: ARef<Self>) -> *mut bindings::dst_entry {
        ManuallyDrop::new(this).as_raw()
    }

    /// Returns the pointer that C functions take.
    pub(super) fn as_raw(&self) -> *mut bindings::dst_entry {
        self.0.get()
    }

    /// Fails with the error that the dst stands for, if packets cannot reach the destination:
    /// `EHOSTUNREACH`, `ENETUNREACH`, `EACCES` and the like (`dst->error`).
    pub(super) fn check(&self) -> Result {
        // SAFETY: The dst is live.
        to_result(unsafe { (*self.as_raw()).error }.into())
    }

    /// Returns a number that no other live dst has.
    pub(crate) fn id(&self) -> u64 {
        usize_as_u64(self.as_raw().addr())
    }

    /// Returns whether the dst is for packets of `family`.
    pub(super) fn is_of(&self, family: Family) -> bool {
        // SAFETY: The dst is live, and what is read does not change.
        unsafe { (*(*self.as_raw()).ops).family == family.as_raw() }
    }

    /// Returns the router to which packets are handed, unless that is their destination.
    pub(crate) fn router(&self) -> Option<Router> {
        // SAFETY: The dst is live, and the operations say which structure it begins. All members of
        // the unions are views of the same bytes.
        unsafe {
            if self.is_of(Family::Inet) {
                let route = self.as_raw().cast::<bindings::rtable>();
                let family = Family::from_raw((*route).rt_gw_family.into())?;
                let address = match family {
                    Family::Inet => [(*route).__bindgen_anon_1.rt_gw4, 0, 0, 0],
                    Family::Inet6 => (*route).__bindgen_anon_1.rt_gw6.in6_u.u6_addr32,
                };
                ((*route).rt_uses_gateway != 0).then_some(Router { family, address })
            } else {
                let route = self.as_raw().cast::<bindings::rt6_info>();
                let address = (*route).rt6i_gateway.in6_u.u6_addr32;
                ((*route).rt6i_flags & bindings::RTF_GATEWAY != 0).then_some(Router {
                    family: Family::Inet6,
                    address,
                })
            }
        }
    }

    /// Returns the room, in bytes, that the transforms of a bundle need in front of a packet and
    /// behind it. A route needs none.
    pub(crate) fn room(&self) -> (u16, u16) {
        // SAFETY: The dst is live, and the fields do not change once it is in use.
        unsafe { ((*self.as_raw()).header_len, (*self.as_raw()).trailer_len) }
    }

    /// Returns the device through which packets leave (`dst_dev_rcu()`).
    pub(crate) fn device<'g>(&self, _rcu: &'g rcu::Guard) -> &'g NetDevice {
        // SAFETY: The dst is live, its device is never null and lives through the critical section.
        unsafe { NetDevice::from_raw(bindings::dst_dev_rcu(self.as_raw())) }
    }

    /// Returns the size of the largest packet that can be sent, in bytes (`dst_mtu()`).
    pub(crate) fn mtu(&self) -> u32 {
        // SAFETY: The dst is live.
        unsafe { bindings::dst_mtu(self.as_raw()) }
    }
}

/// Metadata for a tunnel device, attached to a packet in place of a route (`struct metadata_dst`).
/// Their meaning is up to the tunnel device.
///
/// Metadata may hold a route, so a `Metadata` is not `Send`, as a [`Dst`] is not.
#[repr(transparent)]
pub(crate) struct Metadata(Opaque<bindings::metadata_dst>);

// SAFETY: Metadata is freed when its count is zero.
unsafe impl AlwaysRefCounted for Metadata {
    fn inc_ref(&self) {
        // SAFETY: The reference shows that the metadata is live; `dst` is its first field.
        unsafe { bindings::dst_hold(self.as_raw().cast()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference; `dst` is the first field.
        unsafe { bindings::dst_release(obj.as_ptr().cast()) };
    }
}

impl Metadata {
    /// Takes over a reference to metadata that were just made.
    ///
    /// # Safety
    ///
    /// `metadata` is live, and the caller hands over a reference to it.
    pub(super) unsafe fn from_owned(metadata: NonNull<bindings::metadata_dst>) -> ARef<Self> {
        // SAFETY: The contract of this function.
        unsafe { ARef::from_raw(metadata.cast()) }
    }

    /// Gives up the reference and returns the pointer, for a C function that takes over a dst of
    /// any kind.
    pub(super) fn into_dst(this: ARef<Self>) -> *mut bindings::dst_entry {
        // `dst` is the first field.
        ManuallyDrop::new(this).as_raw().cast()
    }

    /// Returns the id, in host byte order, of the IP tunnel that the packet is to be sent through
    /// (`IP_TUNNEL_INFO_TX`). `None` if this is metadata of another kind, or says through which
    /// tunnel the packet was received.
    pub(crate) fn tunnel_id_to_send(&self) -> Option<u64> {
        let metadata = self.as_raw();
        // SAFETY: The metadata is live, and nobody changes it. The type says which member of the
        // union is used.
        let (mode, id) = unsafe {
            if (*metadata).type_ != bindings::metadata_type_METADATA_IP_TUNNEL {
                return None;
            }
            let info = (&raw const (*metadata).u).cast::<bindings::ip_tunnel_info>();
            ((*info).mode, (*info).key.tun_id)
        };
        let is_to_send = u32::from(mode) & bindings::IP_TUNNEL_INFO_TX != 0;
        is_to_send.then_some(u64::from_be(id))
    }

    /// Returns the pointer that C functions take.
    pub(super) fn as_raw(&self) -> *mut bindings::metadata_dst {
        self.0.get()
    }
}

/// What is attached to a packet (`skb_dst()`).
pub(crate) enum SkbDst<'a> {
    /// Neither a route nor metadata.
    None,
    /// A route.
    Route(&'a Dst),
    /// Metadata of some tunnel device.
    Metadata(&'a Metadata),
}

impl SkbDst<'_> {
    /// Tells whether `dst` is a route or metadata (`DST_METADATA`).
    ///
    /// # Safety
    ///
    /// `dst` is attached to a packet, and stays so for as long as the result is used.
    pub(super) unsafe fn from_raw(dst: *const bindings::dst_entry) -> Self {
        // SAFETY: The contract of this function.
        let flags = unsafe { (*dst).flags };
        if flags & u32_into_u16::<{ bindings::DST_METADATA }>() == 0 {
            // SAFETY: The dst is live by the contract of this function. Without the flag it is a
            // route or a bundle, and the layout is the same.
            Self::Route(unsafe { &*dst.cast() })
        } else {
            // SAFETY: The dst is live by the contract of this function. The flag says that this is
            // a `struct metadata_dst`, whose first field is `dst`.
            Self::Metadata(unsafe { &*dst.cast() })
        }
    }
}
