// SPDX-License-Identifier: GPL-2.0

//! Events of neighbours.
//!
//! A route may have several routers. Which of them gets the packets depends on which of them can be
//! reached. [`NeighbourEvents`] tells a [`Listener`] in which namespace that may have changed. The
//! chain calls the listener in any context, also in softirq context.
//!
//! C headers: [`include/net/neighbour.h`](srctree/include/net/neighbour.h),
//! [`include/net/netevent.h`](srctree/include/net/netevent.h)
//!
//! # Examples
//!
//! ```
//! use crate::net::{
//!     neighbour::NeighbourEvents,
//!     net_namespace::Net,
//!     notifier::{
//!         Listener,
//!         NotifierRegistration, //
//!     }, //
//! };
//!
//! use kernel::sync::{
//!     atomic::{
//!         Atomic,
//!         Release, //
//!     },
//!     rcu, //
//! };
//!
//! /// Changes with every event: what was looked up before has to be looked up again.
//! static GENERATION: Atomic<u32> = Atomic::new(0);
//!
//! struct Watch;
//!
//! impl Listener for Watch {
//!     fn changed(_net: &Net, _rcu: &rcu::Guard) {
//!         GENERATION.fetch_add(1, Release);
//!     }
//! }
//!
//! let registration =
//!     KBox::pin_init(NotifierRegistration::<NeighbourEvents<Watch>>::new(), GFP_KERNEL)?;
//! # drop(registration);
//! ```

use super::{
    atomic::read_once,
    hash::hash_64,
    net_namespace::Net,
    notifier::{
        Chain,
        Listener, //
    }, //
};

use crate::{
    bindings,
    compat::casts::usize_as_u64, //
};

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

/// The neighbours that were valid (`NUD_VALID`) at the last event about them, as far as there is
/// room.
///
/// The kernel confirms a neighbour every half minute or so. That changes nothing, and listeners are
/// not told. A neighbour that is not found here is told once more.
struct Valid([Atomic<*mut bindings::neighbour>; Valid::SIZE]);

impl Valid {
    /// The number of neighbours for which there is room.
    const SIZE: usize = 1024;

    /// Makes an empty set.
    const fn new() -> Self {
        Self([const { Atomic::new(core::ptr::null_mut()) }; Self::SIZE])
    }

    /// Notes whether `neighbour` is valid now. Returns whether that may be news.
    ///
    /// An event of a neighbour that has become invalid is always news. So it does not matter in
    /// which order two CPUs note what they have seen of the same neighbour.
    fn note(&self, neighbour: *mut bindings::neighbour, is_valid: bool) -> bool {
        // A neighbour is an allocation of a few hundred bytes.
        let address = usize_as_u64(neighbour.addr() >> 8);
        // CAST: The hash is small.
        let at = hash_64::<{ Self::SIZE.ilog2() }>(address) as usize;
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

/// The set that all listeners share.
static VALID: Valid = Valid::new();

/// The chain of neighbour events (`register_netevent_notifier()`).
///
/// It tells when a neighbour becomes valid or invalid, when one goes, and when the choice between
/// several routers changes.
pub(crate) struct NeighbourEvents<L: Listener>(PhantomData<L>);

// SAFETY: The chain passes what the type of the event says, and waits for a grace period when a
// callback is taken out, which protects callbacks that are running.
unsafe impl<L: Listener> Chain for NeighbourEvents<L> {
    unsafe fn register(block: *mut bindings::notifier_block) -> c_int {
        // SAFETY: The contract of this function.
        unsafe { bindings::register_netevent_notifier(block) }
    }

    unsafe fn unregister(block: *mut bindings::notifier_block) {
        // It fails only for a block that is not in the chain.
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
                // SAFETY: The neighbour is live, and has a reference to its device.
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
