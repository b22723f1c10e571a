// SPDX-License-Identifier: GPL-2.0

//! Packets that the driver owns.
//!
//! The network stack hands over a packet to the callbacks of a device. So the callback has to see
//! to its end, and the type system checks that it does.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)
//!
//! # Examples
//!
//! ```
//! use crate::net::skb::{
//!     DropReason,
//!     OwnedSkBuff, //
//! };
//!
//! /// Passes on what is short, and drops the rest with a reason.
//! fn only_short(skb: OwnedSkBuff) -> Option<OwnedSkBuff> {
//!     if skb.len() > 100 {
//!         skb.free(DropReason::PKT_TOO_BIG);
//!         return None;
//!     }
//!     Some(skb)
//! }
//!
//! # use crate::net::tests::packet::packet;
//! assert!(only_short(packet(&[0; 101])?).is_none());
//! let skb = only_short(packet(&[0; 100])?).ok_or(EINVAL)?;
//! skb.free(DropReason::IP_OUTNOROUTES);
//! ```

use super::{
    DropReason,
    SkBuff, //
};

use crate::bindings;

use core::{
    mem::ManuallyDrop,
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::NonNull, //
};

/// A packet that the driver owns. It ends when the driver sends it, frees it with a reason, or
/// hands it to the kernel.
///
/// # Invariants
///
/// The pointer is to a packet of which this value holds the reference.
pub(crate) struct OwnedSkBuff(NonNull<SkBuff>);

impl Deref for OwnedSkBuff {
    type Target = SkBuff;

    fn deref(&self) -> &SkBuff {
        // SAFETY: The type invariant.
        unsafe { self.0.as_ref() }
    }
}

impl DerefMut for OwnedSkBuff {
    fn deref_mut(&mut self) -> &mut SkBuff {
        // SAFETY: The type invariant.
        unsafe { self.0.as_mut() }
    }
}

impl Drop for OwnedSkBuff {
    fn drop(&mut self) {
        // Correct code does not get here. If other code does, the reason shows it, and nothing
        // leaks.
        self.consume(DropReason::NOT_SPECIFIED);
    }
}

impl OwnedSkBuff {
    /// Takes over a packet.
    ///
    /// # Safety
    ///
    /// `skb` is a packet whose reference the caller hands over.
    pub(in crate::net) unsafe fn from_raw(skb: *mut bindings::sk_buff) -> Self {
        // INVARIANT: The contract of this function.
        // SAFETY: Packets are not at address zero.
        Self(unsafe { NonNull::new_unchecked(skb.cast()) })
    }

    /// Gives up the packet and returns the pointer, for a C function that takes it over.
    pub(in crate::net) fn into_raw(self) -> *mut bindings::sk_buff {
        ManuallyDrop::new(self).as_raw()
    }

    /// Frees the packet (`sk_skb_reason_drop()`). The caller must not use it again.
    fn consume(&mut self, reason: DropReason) {
        // SAFETY: The reference is ours, and both callers never use it again.
        unsafe { bindings::sk_skb_reason_drop(core::ptr::null(), self.as_raw(), reason.0) };
    }

    /// Frees the packet for `reason` (`kfree_skb_reason()`).
    pub(crate) fn free(self, reason: DropReason) {
        ManuallyDrop::new(self).consume(reason);
    }
}
