// SPDX-License-Identifier: GPL-2.0

//! Neighbours: which of several routers packets go to depends on which of them can be reached.
//!
//! C header: [`include/net/neighbour.h`](srctree/include/net/neighbour.h)

use super::{
    atomic::read_once,
    net_namespace::Net,
    notifier::{
        Chain,
        Listener, //
    }, //
};

use crate::bindings;

use core::marker::PhantomData;

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu, //
    }, //
};

/// `GOLDEN_RATIO_64` of [`include/linux/hash.h`](srctree/include/linux/hash.h).
const GOLDEN_RATIO_64: usize = 0x61c8_8646_80b5_83eb;

/// Neighbours that were valid (`NUD_VALID`) at the last event about them, as far as there is room.
///
/// That a neighbour is confirmed, every half minute or so, changes nothing, and is not told. Of one
/// that is not found here it is told once more.
struct Valid([Atomic<*mut bindings::neighbour>; Valid::SIZE]);

impl Valid {
    const SIZE: usize = 1024;

    const fn new() -> Self {
        Self([const { Atomic::new(core::ptr::null_mut()) }; Self::SIZE])
    }

    /// Notes whether a neighbour `is_valid` now. Returns whether that may be news.
    ///
    /// An event of a neighbour that has become invalid is always news, so that it does not matter
    /// in which order two CPUs note what they have seen of the same neighbour.
    fn note(&self, neighbour: *mut bindings::neighbour, is_valid: bool) -> bool {
        // The address of an allocation of a few hundred bytes, hashed as by the kernel's
        // hash_ptr().
        let at = (neighbour.addr() >> 8).wrapping_mul(GOLDEN_RATIO_64) >> 54;
        let Some(slot) = self.0.get(at) else {
            return true;
        };
        let known = core::ptr::eq(slot.load(Relaxed), neighbour);
        match (is_valid, known) {
            (true, true) => return false,
            (true, false) => slot.store(neighbour, Relaxed),
            (false, true) => slot.store(core::ptr::null_mut(), Relaxed),
            (false, false) => {}
        }
        true
    }
}

static VALID: Valid = Valid::new();

/// The chain that tells when neighbours become valid or invalid, or go, and when the choice between
/// several routers changes (`register_netevent_notifier()`).
pub(crate) struct NeighbourEvents<L: Listener>(PhantomData<L>);

// SAFETY: The chain passes what the type of the event says, and waits for a grace period when a
// callback is taken out, which protects callbacks that are running.
unsafe impl<L: Listener> Chain for NeighbourEvents<L> {
    unsafe fn register(block: *mut bindings::notifier_block) -> c_int {
        // SAFETY: The contract of this function.
        unsafe { bindings::register_netevent_notifier(block) }
    }

    unsafe fn unregister(block: *mut bindings::notifier_block) {
        // It fails only for what is not in the chain.
        //
        // SAFETY: The contract of this function.
        unsafe { bindings::unregister_netevent_notifier(block) };
    }

    unsafe fn called(event: c_ulong, data: *mut c_void) {
        let rcu = rcu::read_lock();
        // CAST: There are few events.
        let net = match event as u32 {
            bindings::netevent_notif_type_NETEVENT_NEIGH_UPDATE => {
                let neighbour: *mut bindings::neighbour = data.cast();
                // SAFETY: The contract of this function; the caller has a reference to the
                // neighbour, whose fields change meanwhile.
                let (state, dead) = unsafe {
                    (
                        read_once(&raw const (*neighbour).nud_state),
                        read_once(&raw const (*neighbour).dead),
                    )
                };
                let is_valid = u32::from(state) & bindings::NUD_VALID != 0 && dead == 0;
                if !VALID.note(neighbour, is_valid) {
                    return;
                }
                // SAFETY: As above; a neighbour has a reference to its device.
                unsafe { Net::from_possible(&raw const (*(*neighbour).dev).nd_net) }
            }
            bindings::netevent_notif_type_NETEVENT_IPV4_MPATH_HASH_UPDATE
            | bindings::netevent_notif_type_NETEVENT_IPV6_MPATH_HASH_UPDATE => {
                // SAFETY: The contract of this function.
                unsafe { Net::from_raw(data.cast()) }
            }
            _ => return,
        };
        L::changed(net, &rcu);
    }
}
