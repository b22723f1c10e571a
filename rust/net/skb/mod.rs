// SPDX-License-Identifier: GPL-2.0

//! Packets (socket buffers).
//!
//! An [`OwnedSkBuff`] owns its packet, and sends it, frees it, or hands it to the kernel in the
//! end. A [`SkBuff`] reference is for code that may look at a packet, or change it, while somebody
//! else owns it. A [`DropReason`] says why a packet was freed.
//!
//! Packets are handled with softirqs disabled or in process context. A method that depends on the
//! context says so.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)
//!
//! # Examples
//!
//! A device looks at a packet, and drops it if it is not for the device:
//!
//! ```
//! use crate::net::{
//!     skb::{
//!         DropReason,
//!         OwnedSkBuff, //
//!     },
//!     Family, //
//! };
//!
//! /// Returns the packet if it is IPv4 and has the mark 1.
//! fn ours(skb: OwnedSkBuff) -> Option<OwnedSkBuff> {
//!     if skb.family() != Some(Family::Inet) || skb.mark() != 1 {
//!         skb.free(DropReason::UNHANDLED_PROTO);
//!         return None;
//!     }
//!     Some(skb)
//! }
//!
//! # use crate::net::tests::packet::{packet, set_family, set_mark};
//! let mut skb = packet(&[0; 20])?;
//! set_family(&mut skb, Family::Inet);
//! set_mark(&mut skb, 1);
//! let mut skb = ours(skb).ok_or(EINVAL)?;
//! assert_eq!(skb.len(), 20);
//! assert!(!skb.has_sec_path());
//!
//! set_mark(&mut skb, 2);
//! assert!(ours(skb).is_none());
//! ```

mod drop_reason;
mod dst;
mod header;
mod owned;

pub(crate) use self::{
    drop_reason::DropReason,
    owned::OwnedSkBuff, //
};

use super::{
    net_namespace::Net,
    netdevice::NetDevice,
    Family, //
};

use crate::{
    bindings,
    compat::casts::u32_as_usize, //
};

use core::ptr::NonNull;

use kernel::{
    prelude::*,
    sync::rcu,
    types::Opaque, //
};

#[cfg(not(CONFIG_64BIT))]
compile_error!("`tail` and `end` of a packet are pointers on 32-bit kernels, and here offsets");

/// A packet that somebody else owns (`struct sk_buff`).
///
/// A reference is the address of the packet. The type has no bytes. So code that swaps two packets,
/// for which it needs only exclusive references, changes nothing.
#[repr(C)]
pub(crate) struct SkBuff([Opaque<bindings::sk_buff>; 0]);

const _: () = assert!(size_of::<SkBuff>() == 0);

impl SkBuff {
    /// Makes a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `skb` is a packet that is the caller's to use for `'a`.
    pub(super) unsafe fn from_raw<'a>(skb: *mut bindings::sk_buff) -> &'a mut Self {
        // SAFETY: The alignment is the same, and the contract is the caller's.
        unsafe { &mut *skb.cast() }
    }

    /// Returns the pointer that C functions take.
    pub(super) fn as_raw(&self) -> *mut bindings::sk_buff {
        core::ptr::from_ref(self).cast_mut().cast()
    }

    /// Returns the fields, for reading.
    fn fields(&self) -> &bindings::sk_buff {
        // SAFETY: The packet is valid, and whoever has a shared reference changes nothing of it.
        unsafe { &*self.as_raw() }
    }

    /// Returns the length in bytes (`skb->len`). Where the IP stack has the packet, it counts from
    /// the network header.
    pub(crate) fn len(&self) -> u32 {
        self.fields().len
    }

    /// Returns the device through which the packet came in or goes out (`skb->dev`), if there is
    /// one.
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

    /// Makes `dev` the device through which the packet came in or goes out (`skb->dev`).
    ///
    /// The packet needs no reference to the device. It is handled in a critical section. A device
    /// that was found registered in that section, or in one inside of it, exists until the section
    /// ends.
    pub(crate) fn set_device(&mut self, dev: &NetDevice, _rcu: &rcu::Guard) {
        // SAFETY: The packet is valid and borrowed exclusively.
        let skb = unsafe { &mut *self.as_raw() };
        skb.__bindgen_anon_1.__bindgen_anon_1.__bindgen_anon_1.dev = dev.as_raw();
    }

    /// Returns the address family of the packet, according to the protocol of the link layer
    /// (`skb->protocol`); `None` for other protocols than IPv4 and IPv6.
    pub(crate) fn family(&self) -> Option<Family> {
        // SAFETY: All members of the union are views of the same bytes.
        let protocol = unsafe { self.fields().__bindgen_anon_4.headers.as_ref().protocol };
        match u32::from(u16::from_be(protocol)) {
            bindings::ETH_P_IP => Some(Family::Inet),
            bindings::ETH_P_IPV6 => Some(Family::Inet6),
            _ => None,
        }
    }

    /// Returns the label that a security module gives to the packet's flow
    /// (`security_skb_classify_flow()`); 0 if there is none.
    pub(crate) fn secid(&self) -> u32 {
        // SAFETY: The packet is valid.
        unsafe { bindings::datapath_skb_secid(self.as_raw()) }
    }

    /// Returns the index of the device through which the packet came into a VRF; 0 if it came into
    /// none (`inet_sdif()`, `inet6_sdif()`). The control block has to be that of `family`.
    pub(crate) fn vrf_member_ifindex(&self, family: Family) -> c_int {
        // SAFETY: The packet is valid, and the control block is that of `family`.
        unsafe {
            match family {
                Family::Inet => bindings::inet_sdif(self.as_raw()),
                Family::Inet6 => bindings::inet6_sdif(self.as_raw()),
            }
        }
    }

    /// Returns the index of the device through which the packet was received last, which is a VRF
    /// if the device belongs to one; 0 if it was not received (`skb->skb_iif`).
    pub(crate) fn received_ifindex(&self) -> c_int {
        // SAFETY: All members of the union are views of the same bytes.
        unsafe { self.fields().__bindgen_anon_4.headers.as_ref().skb_iif }
    }

    /// Returns the mark of ICMP errors about the packet (`IP4_REPLY_MARK()`, `IP6_REPLY_MARK()`):
    /// its own, if `net` is set to reflect marks (`fwmark_reflect`), else 0.
    pub(super) fn reply_mark(&self, family: Family, net: &Net) -> u32 {
        // SAFETY: The namespace is live.
        unsafe {
            match family {
                Family::Inet => bindings::IP4_REPLY_MARK(net.as_raw(), self.mark()),
                Family::Inet6 => bindings::IP6_REPLY_MARK(net.as_raw(), self.mark()),
            }
        }
    }

    /// Returns the mark, in host byte order (`skb->mark`).
    pub(crate) fn mark(&self) -> u32 {
        // SAFETY: The packet is valid, and has its mark there.
        unsafe { *self.as_raw().byte_add(bindings::SKB_MARK).cast() }
    }

    /// Returns the extension with the number `id`, if the packet has it (`skb_ext_find()`).
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

    /// Returns whether the packet has come through IPsec (`secpath_exists()`).
    #[inline]
    pub(crate) fn has_sec_path(&self) -> bool {
        self.ext_find(bindings::skb_ext_id_SKB_EXT_SEC_PATH)
            .is_some()
    }
}
