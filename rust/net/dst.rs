// SPDX-License-Identifier: GPL-2.0

//! Where packets go: routes, bundles of IPsec states, and metadata for tunnel devices.
//!
//! C headers: [`include/net/dst.h`](srctree/include/net/dst.h),
//! [`include/net/dst_metadata.h`](srctree/include/net/dst_metadata.h)

use crate::{
    bindings,
    net::{
        device::NetDevice,
        xfrm::State,
        Family, //
    }, //
};

use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};

use kernel::{
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

/// Which IPsec connection a packet belongs to (`struct xfrm_md_info`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct XfrmInfo {
    /// The `if_id` of the connection's policies and states, in host byte order.
    pub(crate) if_id: u32,
    /// The interface index of the device to send through, or that it was received through; 0 for
    /// any, or unknown.
    pub(crate) link: c_int,
}

impl XfrmInfo {
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

    /// The same for the C side, which takes over the reference to `route`.
    pub(super) fn into_raw(self, route: Option<ARef<Dst>>) -> bindings::xfrm_md_info {
        bindings::xfrm_md_info {
            if_id: self.if_id,
            link: self.link,
            dst_orig: route.map_or(core::ptr::null_mut(), Dst::into_raw),
        }
    }
}

/// A route, or a bundle of IPsec states upon one: somewhere that packets can be sent to.
///
/// A reference to one must not outlive the namespace, which holds what releasing it needs. So a `Dst` is
/// not `Send`: it can't be put where it would be after the packet that it was found for. What can is a
/// [`Bundle`](crate::net::xfrm::Bundle).
#[repr(transparent)]
pub(crate) struct Dst(Opaque<bindings::dst_entry>);

// SAFETY: A dst is freed when its count is zero.
unsafe impl AlwaysRefCounted for Dst {
    fn inc_ref(&self) {
        // SAFETY: The reference shows that the dst is live.
        unsafe { bindings::net_helper_dst_hold(self.as_raw()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference.
        unsafe { bindings::dst_release(obj.as_ptr().cast()) };
    }
}

impl Dst {
    /// # Safety
    ///
    /// `dst` is a route or a bundle, of which the caller hands over a reference.
    pub(super) unsafe fn from_owned(dst: NonNull<bindings::dst_entry>) -> ARef<Self> {
        // SAFETY: The contract of this function.
        unsafe { ARef::from_raw(dst.cast()) }
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
        kernel::error::to_result(unsafe { (*self.as_raw()).error }.into())
    }

    /// What tells the dst from others that are live at the same time.
    pub(crate) fn id(&self) -> u64 {
        self.as_raw().addr() as u64
    }

    /// Whether it is for packets of `family`.
    pub(super) fn is_of(&self, family: Family) -> bool {
        // SAFETY: The dst is live, and what is read does not change.
        unsafe { (*(*self.as_raw()).ops).family == family.as_raw() }
    }

    /// The router that packets are handed to, if that is not the destination itself: its address.
    #[cfg(SHADOW)]
    pub(super) fn router(&self) -> [u32; 4] {
        // SAFETY: The dst is live, and the operations say which structure it begins. All members of the unions
        // are views of the same bytes.
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
        unsafe { NetDevice::from_raw(bindings::net_helper_dst_dev_rcu(self.as_raw())) }
    }

    /// The largest packet that can be sent, in bytes.
    pub(crate) fn mtu(&self) -> u32 {
        if let Some(mtu) = self.mtu_of_bundle() {
            return mtu;
        }
        // SAFETY: The dst is live.
        unsafe { bindings::net_helper_dst_mtu(self.as_raw()) }
    }

    /// The same if this is a bundle that has a value of its own, as those have that were checked:
    /// bundles return that before they ask the route.
    fn mtu_of_bundle(&self) -> Option<u32> {
        // CAST: Both are small numbers.
        const FLAGS: c_ulong = bindings::DST_METRICS_FLAGS as c_ulong;
        // CAST: As above.
        const MTU: usize = bindings::RTAX_MTU as usize - 1;

        self.state()?;
        // CAST: Apart from the flags, the field is a pointer.
        // SAFETY: The dst is live, and there are metrics of so many numbers as long as it is.
        let mtu = unsafe {
            let metrics = ((*self.as_raw())._metrics & !FLAGS) as *const u32;
            metrics.add(MTU).read_volatile()
        };
        (mtu != 0).then_some(mtu)
    }

    /// The first state that packets go through, if this is a bundle.
    pub(crate) fn state(&self) -> Option<&State> {
        // SAFETY: The dst is live and holds a reference to its state.
        let state = unsafe { (*self.as_raw()).xfrm };
        // SAFETY: As above.
        (!state.is_null()).then(|| unsafe { State::from_raw(state) })
    }

    /// The connection that the route assigns packets to (`ip route … encap xfrm`), if it does.
    pub(crate) fn xfrm_info(&self) -> Option<XfrmInfo> {
        // SAFETY: The dst is live and holds a reference to its tunnel state.
        unsafe {
            let state = (*self.as_raw()).lwtstate;
            if state.is_null() || u32::from((*state).type_) != XFRM_ENCAP {
                return None;
            }
            // The state carries a `struct xfrm_md_info`, whoever builds it.
            let info = (&raw const (*state).data).cast::<bindings::xfrm_md_info>();
            Some(XfrmInfo::from_raw(info))
        }
    }
}

/// The number of the encapsulation that assigns packets to IPsec connections.
pub(super) const XFRM_ENCAP: u32 = bindings::lwtunnel_encap_types_LWTUNNEL_ENCAP_XFRM;

/// What is attached to a packet.
pub(crate) enum Attached<'a> {
    /// Neither a route nor metadata.
    Nothing,
    /// A route.
    Route(&'a Dst),
    /// Which IPsec connection the packet belongs to, and the route it had before that was attached.
    Xfrm(XfrmInfo, Option<&'a Dst>),
    /// Metadata of another kind.
    Other,
}

impl<'a> Attached<'a> {
    /// # Safety
    ///
    /// `dst` is attached to a packet, and stays so for `'a`.
    pub(super) unsafe fn from_raw(dst: *const bindings::dst_entry) -> Self {
        // SAFETY: The contract of this function.
        let flags = unsafe { (*dst).flags };
        // CAST: The flags are 16 bits wide.
        if flags & bindings::DST_METADATA as u16 == 0 {
            // SAFETY: As above; what is no metadata is a route, and the layout is the same.
            return Attached::Route(unsafe { &*dst.cast() });
        }
        // The flag says that this is a `struct metadata_dst`, whose first field is `dst`.
        let metadata = dst.cast::<bindings::metadata_dst>();
        // SAFETY: As above.
        if unsafe { (*metadata).type_ } != bindings::metadata_type_METADATA_XFRM {
            return Attached::Other;
        }
        // SAFETY: As above. The type says which member of the union is used; nobody changes it. The
        // metadata holds a reference to the route, if it has one.
        unsafe {
            let info = (&raw const (*metadata).u).cast::<bindings::xfrm_md_info>();
            let route = (*info).dst_orig.cast_const().cast::<Dst>();
            Attached::Xfrm(XfrmInfo::from_raw(info), route.as_ref())
        }
    }
}

/// Which IPsec connection packets belong to, to be attached to any number of them. Nobody changes it.
///
/// # Invariants
///
/// The pointer is to a `struct metadata_dst` without a route, of which this value holds a reference.
pub(crate) struct Metadata(NonNull<bindings::dst_entry>);

// SAFETY: The object is shared between CPUs, does not change, and refers to no namespace.
unsafe impl Send for Metadata {}
// SAFETY: As above.
unsafe impl Sync for Metadata {}

impl Metadata {
    /// Makes an object that says `info`. Fails with `ENOMEM`.
    pub(crate) fn new(info: XfrmInfo) -> Result<Self> {
        // INVARIANT: It is new, and has no route.
        new_metadata(info, None).map(Self)
    }

    pub(super) fn into_raw(self) -> *mut bindings::dst_entry {
        ManuallyDrop::new(self).0.as_ptr()
    }
}

impl Clone for Metadata {
    fn clone(&self) -> Self {
        // SAFETY: By the type invariant the object is live.
        unsafe { bindings::net_helper_dst_hold(self.0.as_ptr()) };
        // INVARIANT: The reference was just taken.
        Self(self.0)
    }
}

impl Drop for Metadata {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the reference is ours.
        unsafe { bindings::dst_release(self.0.as_ptr()) };
    }
}

/// Makes a `struct metadata_dst` that says which connection a packet belongs to, and keeps the `route`
/// that it had. Returns a reference, or fails with `ENOMEM`.
pub(super) fn new_metadata(
    info: XfrmInfo,
    route: Option<ARef<Dst>>,
) -> Result<NonNull<bindings::dst_entry>> {
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
    // `dst` is the first field; the allocation comes with one reference.
    Ok(metadata.cast())
}
