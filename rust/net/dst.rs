// SPDX-License-Identifier: GPL-2.0

//! Where packets go: routes, bundles of transforms upon them, and metadata for tunnel devices.
//!
//! C headers: [`include/net/dst.h`](srctree/include/net/dst.h),
//! [`include/net/dst_metadata.h`](srctree/include/net/dst_metadata.h)

use super::{
    netdevice::NetDevice,
    Family, //
};

use crate::bindings;

use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};

use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    num::casts::{
        u32_into_u16,
        usize_as_u64, //
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

/// A route, or a bundle of IPsec states upon one: somewhere that packets can be sent to.
///
/// A reference to one must not outlive the namespace, which holds what releasing it needs. So a
/// `Dst` is not `Send`: it can't be put where it would be after the packet that it was found for.
/// What can is a [`Bundle`](crate::net::xfrm::Bundle).
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

impl Dst {
    /// What a look-up has returned: a route or a bundle, or an error in its place (`ERR_PTR()`).
    ///
    /// # Safety
    ///
    /// The caller hands over a reference to `dst`, unless it is an error.
    pub(super) unsafe fn from_look_up(dst: *mut bindings::dst_entry) -> Result<ARef<Self>> {
        let dst = NonNull::new(from_err_ptr(dst)?).ok_or(EINVAL)?;
        // SAFETY: The contract of this function.
        Ok(unsafe { ARef::from_raw(dst.cast()) })
    }

    pub(super) fn into_raw(this: ARef<Self>) -> *mut bindings::dst_entry {
        ManuallyDrop::new(this).as_raw()
    }

    pub(super) fn as_raw(&self) -> *mut bindings::dst_entry {
        self.0.get()
    }

    /// Why there is no way to the destination, if there is none.
    pub(super) fn check(&self) -> Result {
        // SAFETY: The dst is live.
        to_result(unsafe { (*self.as_raw()).error }.into())
    }

    /// What tells the dst from others that are live at the same time.
    pub(crate) fn id(&self) -> u64 {
        usize_as_u64(self.as_raw().addr())
    }

    /// Whether it is for packets of `family`.
    pub(super) fn is_of(&self, family: Family) -> bool {
        // SAFETY: The dst is live, and what is read does not change.
        unsafe { (*(*self.as_raw()).ops).family == family.as_raw() }
    }

    /// The router that packets are handed to, if that is not the destination itself: its address.
    #[cfg(SHADOW)]
    pub(super) fn router(&self) -> [u32; 4] {
        // SAFETY: The dst is live, and the operations say which structure it begins. All members of
        // the unions are views of the same bytes.
        unsafe {
            if self.is_of(Family::Inet) {
                let route = self.as_raw().cast::<bindings::rtable>();
                (*route).__bindgen_anon_1.rt_gw6.in6_u.u6_addr32
            } else {
                let route = self.as_raw().cast::<bindings::rt6_info>();
                (*route).rt6i_gateway.in6_u.u6_addr32
            }
        }
    }

    /// The room in bytes that the transforms of a bundle need before and behind a packet.
    pub(crate) fn room(&self) -> (u16, u16) {
        // SAFETY: The dst is live, and the fields do not change once it is in use.
        unsafe { ((*self.as_raw()).header_len, (*self.as_raw()).trailer_len) }
    }

    /// The device that packets leave through.
    pub(crate) fn device<'g>(&self, _rcu: &'g rcu::Guard) -> &'g NetDevice {
        // SAFETY: The dst is live, its device is never null and lives through the critical section.
        unsafe { NetDevice::from_raw(bindings::dst_dev_rcu(self.as_raw())) }
    }

    /// The largest packet that can be sent, in bytes.
    pub(crate) fn mtu(&self) -> u32 {
        // SAFETY: The dst is live.
        unsafe { bindings::dst_mtu(self.as_raw()) }
    }
}

/// Metadata for tunnel devices, which is attached to a packet in place of a route: what it says,
/// says the tunnel device that it is for.
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
    /// # Safety
    ///
    /// `metadata` is live, and the caller hands over a reference to it.
    pub(super) unsafe fn from_owned(metadata: NonNull<bindings::metadata_dst>) -> ARef<Self> {
        // SAFETY: The contract of this function.
        unsafe { ARef::from_raw(metadata.cast()) }
    }

    /// Gives up the reference, to somebody who takes a dst of any kind.
    pub(super) fn into_dst(this: ARef<Self>) -> *mut bindings::dst_entry {
        // `dst` is the first field.
        ManuallyDrop::new(this).as_raw().cast()
    }

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
    /// # Safety
    ///
    /// `dst` is attached to a packet, and stays so for as long as the result is used.
    pub(super) unsafe fn from_raw(dst: *const bindings::dst_entry) -> Self {
        // SAFETY: The contract of this function.
        let flags = unsafe { (*dst).flags };
        if flags & u32_into_u16::<{ bindings::DST_METADATA }>() == 0 {
            // SAFETY: As above; what is no metadata is a route, and the layout is the same.
            Self::Route(unsafe { &*dst.cast() })
        } else {
            // SAFETY: As above; the flag says that this is a `struct metadata_dst`, whose first
            // field is `dst`.
            Self::Metadata(unsafe { &*dst.cast() })
        }
    }
}
