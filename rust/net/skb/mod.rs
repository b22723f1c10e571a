// SPDX-License-Identifier: GPL-2.0

//! Packets (socket buffers).
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

mod drop_reason;
mod dst;
mod header;
mod owned;

pub(crate) use self::{
    drop_reason::DropReason,
    owned::OwnedSkBuff, //
};

use super::{
    netdevice::NetDevice,
    Family, //
};

use crate::bindings;

use core::ptr::NonNull;

use kernel::{
    num::casts::u32_as_usize,
    prelude::*,
    sync::rcu,
    types::Opaque, //
};

#[cfg(not(CONFIG_64BIT))]
compile_error!("`tail` and `end` of a packet are pointers on 32-bit kernels, and here offsets");

/// A packet that somebody else owns.
///
/// A reference stands for where the packet is. The type has no bytes, so that swapping two packets,
/// for which exclusive references are enough, changes nothing.
#[repr(C)]
pub(crate) struct SkBuff([Opaque<bindings::sk_buff>; 0]);

const _: () = assert!(size_of::<SkBuff>() == 0);

impl SkBuff {
    /// # Safety
    ///
    /// `skb` is a packet that is the caller's to use for `'a`.
    pub(super) unsafe fn from_raw<'a>(skb: *mut bindings::sk_buff) -> &'a mut Self {
        // SAFETY: The alignment is the same, and the contract is the caller's.
        unsafe { &mut *skb.cast() }
    }

    pub(super) fn as_raw(&self) -> *mut bindings::sk_buff {
        core::ptr::from_ref(self).cast_mut().cast()
    }

    fn fields(&self) -> &bindings::sk_buff {
        // SAFETY: The packet is valid, and whoever has a shared reference changes nothing of it.
        unsafe { &*self.as_raw() }
    }

    /// The length in bytes, from the network header on when the packet is in the IP stack.
    pub(crate) fn len(&self) -> u32 {
        self.fields().len
    }

    /// The device that the packet came in or goes out through.
    pub(crate) fn device<'g>(&self, _rcu: &'g rcu::Guard) -> Option<&'g NetDevice> {
        // SAFETY: Packets that devices and protocols handle have this member of the union.
        let dev = unsafe {
            self.fields()
                .__bindgen_anon_1
                .__bindgen_anon_1
                .__bindgen_anon_1
                .dev
        };
        // SAFETY: A packet is handled in critical sections that the removal of a device waits for.
        (!dev.is_null()).then(|| unsafe { NetDevice::from_raw(dev) })
    }

    /// Makes `dev` the device that the packet came in or goes out through. A packet is handled in a
    /// critical section, and a device that was found registered in that, or in one inside of it, is
    /// there until it ends; so the packet needs no reference to it.
    pub(crate) fn set_device(&mut self, dev: &NetDevice, _rcu: &rcu::Guard) {
        // SAFETY: The packet is valid and borrowed exclusively.
        let skb = unsafe { &mut *self.as_raw() };
        skb.__bindgen_anon_1.__bindgen_anon_1.__bindgen_anon_1.dev = dev.as_raw();
    }

    /// The address family of the packet, going by the protocol of the link layer.
    pub(crate) fn family(&self) -> Option<Family> {
        // SAFETY: All members of the union are views of the same bytes.
        let protocol = unsafe { self.fields().__bindgen_anon_4.headers.as_ref().protocol };
        match u32::from(u16::from_be(protocol)) {
            bindings::ETH_P_IP => Some(Family::Inet),
            bindings::ETH_P_IPV6 => Some(Family::Inet6),
            _ => None,
        }
    }

    /// What a security module calls the packet's flow; 0 if there is none.
    pub(crate) fn secid(&self) -> u32 {
        // SAFETY: The packet is valid.
        unsafe { bindings::datapath_skb_secid(self.as_raw()) }
    }

    /// The index of the device in a VRF through which the packet came into that; 0 if it did not.
    pub(crate) fn vrf_member_ifindex(&self, family: Family) -> c_int {
        // SAFETY: The packet is valid, and the control block is that of `family`.
        unsafe {
            match family {
                Family::Inet => bindings::inet_sdif(self.as_raw()),
                Family::Inet6 => bindings::inet6_sdif(self.as_raw()),
            }
        }
    }

    /// The mark, in host byte order.
    pub(crate) fn mark(&self) -> u32 {
        // SAFETY: The packet is valid, and has its mark there.
        unsafe { *self.as_raw().byte_add(bindings::SKB_MARK).cast() }
    }

    /// The extension with the number `id`, if the packet has one (`skb_ext_find()`).
    pub(super) fn ext_find(&self, id: bindings::skb_ext_id) -> Option<NonNull<c_void>> {
        let id = u32_as_usize(id);
        let skb = self.fields();
        if usize::from(skb.active_extensions) & (1 << id) == 0 {
            return None;
        }
        // SAFETY: The packet has extensions, this one among them, which lies at its offset in units
        // of 8 bytes. The array has a place for each kind.
        unsafe {
            let offset =
                usize::from(*(&raw const (*skb.extensions).offset).cast::<u8>().add(id)) * 8;
            Some(NonNull::new_unchecked(
                skb.extensions.byte_add(offset).cast(),
            ))
        }
    }

    /// Whether the packet has come through IPsec (`secpath_exists()`).
    #[inline]
    pub(crate) fn has_sec_path(&self) -> bool {
        self.ext_find(bindings::skb_ext_id_SKB_EXT_SEC_PATH)
            .is_some()
    }
}
