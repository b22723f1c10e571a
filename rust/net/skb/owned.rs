// SPDX-License-Identifier: GPL-2.0

//! Packets of our own.

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

/// A packet that we own. It ends by being sent, freed with a reason, or handed to the kernel.
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
        // Not reached by correct code; visible, and without a leak, if it is.
        self.consume(DropReason::NOT_SPECIFIED);
    }
}

impl OwnedSkBuff {
    /// # Safety
    ///
    /// `skb` is a packet whose reference the caller hands over.
    pub(in crate::net) unsafe fn from_raw(skb: *mut bindings::sk_buff) -> Self {
        // INVARIANT: The contract of this function.
        // SAFETY: Packets are not at address zero.
        Self(unsafe { NonNull::new_unchecked(skb.cast()) })
    }

    /// Hands the packet to the kernel.
    pub(in crate::net) fn into_raw(self) -> *mut bindings::sk_buff {
        ManuallyDrop::new(self).as_raw()
    }

    fn consume(&mut self, reason: DropReason) {
        // SAFETY: The reference is ours, and both callers never use it again.
        unsafe { bindings::sk_skb_reason_drop(core::ptr::null(), self.as_raw(), reason.0) };
    }

    /// Frees the packet, for `reason`.
    pub(crate) fn free(self, reason: DropReason) {
        ManuallyDrop::new(self).consume(reason);
    }
}
