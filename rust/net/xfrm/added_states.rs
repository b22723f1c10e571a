// SPDX-License-Identifier: GPL-2.0

//! Which connections have got new states.
//!
//! The kernel tells key managers of most states that are added
//! ([`EventsRegistration`](super::EventsRegistration)), and of some it does not
//! (`XFRM_MSG_MIGRATE_STATE`). [`AddedStates`] sees them all, in the list of states itself: whether
//! there is anything new is one comparison, and for each new state its `if_id` is told.
//!
//! [`AddedStates::any`] works in any context. The rest takes the lock of the namespace's states: it
//! does not sleep, and nobody may call it who holds that lock or is in a hard interrupt.
//!
//! C source: [`net/xfrm/xfrm_state.c`](srctree/net/xfrm/xfrm_state.c), `xfrm_state_walk()`
//!
//! # Examples
//!
//! ```
//! use crate::net::xfrm::AddedStates;
//!
//! # use crate::net::tests::bundle_key::init_net;
//! # let net = init_net();
//! let added = AddedStates::new()?;
//! // At first it knows nothing of the namespace.
//! assert!(added.any(net));
//! assert!(!added.take(net, |_if_id| ()));
//! // From now on it does.
//! assert!(!added.any(net));
//! assert!(added.take(net, |if_id| pr_info!("a state for {if_id}\n")));
//! // Before the namespace goes.
//! added.leave(net);
//! assert!(!added.take(net, |_if_id| ()));
//! ```

use crate::{
    bindings,
    compat::casts::u32_into_u8,
    net::{
        atomic::read_acquire,
        net_namespace::Net, //
    }, //
};

use core::{
    mem::MaybeUninit,
    ptr::{
        self,
        NonNull, //
    }, //
};

use kernel::{
    alloc::flags::__GFP_ZERO,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// Tells of states that are added in one namespace.
///
/// It belongs to the first namespace that [`Self::take`] is called with. Whoever drops it calls
/// [`Self::leave`] first; else its memory stays in the kernel's list, and is never freed.
///
/// # Invariants
///
/// `marker` is to an allocation of a [`KBox`], a state that is dead. It is in no list or in that of
/// the namespace whose [`Net::id`] is `net`, whose lock protects it.
pub(crate) struct AddedStates {
    marker: NonNull<bindings::xfrm_state>,
    /// The namespace; 0 for none yet.
    net: Atomic<u64>,
}

// SAFETY: The lock of the namespace's states protects the marker.
unsafe impl Send for AddedStates {}
// SAFETY: As above.
unsafe impl Sync for AddedStates {}

impl AddedStates {
    /// Makes one that belongs to no namespace yet. Fails with `ENOMEM`; may sleep.
    pub(crate) fn new() -> Result<Self> {
        let marker = KBox::<bindings::xfrm_state>::new_uninit(GFP_KERNEL | __GFP_ZERO)?;
        let marker: *mut bindings::xfrm_state = KBox::into_raw(marker).cast();
        // SAFETY: The memory is ours, and large enough. It is initialised with zeroes, which stand
        // for a state that nobody finds.
        unsafe {
            bindings::xfrm_state_walk_init(
                &raw mut (*marker).km,
                u32_into_u8::<{ bindings::IPSEC_PROTO_ANY }>(),
                ptr::null_mut(),
            )
        };
        // SAFETY: A `KBox` is never null.
        let marker = unsafe { NonNull::new_unchecked(marker) };
        // INVARIANT: It was just made as that, and the marker is in no list.
        Ok(Self {
            marker,
            net: Atomic::new(0),
        })
    }

    /// Whether states were added in `net` since [`Self::take`] was called, or it never was.
    #[inline]
    pub(crate) fn any(&self, net: &Net) -> bool {
        // SAFETY: The namespace is live, and the head of its list of states is accessed atomically.
        let first = unsafe { read_acquire(&raw mut (*net.as_raw()).xfrm.state_all.next) };
        // SAFETY: The marker is allocated.
        !ptr::eq(first, unsafe { &raw const (*self.marker.as_ptr()).km.all })
    }

    /// Calls `added` with the `if_id` (host byte order) of each state that was added in `net` since
    /// this was last called; or returns `false` because this is not known: the first time, for a
    /// namespace that it does not belong to, and after [`Self::leave`].
    ///
    /// What `added` does is seen by whoever finds [`Self::any`] to be `false` afterwards. Look-ups
    /// find the states by then.
    pub(crate) fn take<F: FnMut(u32)>(&self, net: &Net, mut added: F) -> bool {
        /// Hands on the `if_id` of a state.
        ///
        /// # Safety
        ///
        /// `data` is to an `F` that nobody else uses.
        unsafe extern "C" fn call<F: FnMut(u32)>(data: *mut c_void, if_id: u32) {
            // SAFETY: The contract of this function.
            unsafe { (*data.cast::<F>())(if_id) };
        }

        if !self.belongs_to(net) {
            return false;
        }
        // SAFETY: The namespace is live, and the marker in its list or in none by the type
        // invariant. The closure lives until the call returns.
        unsafe {
            bindings::datapath_states_added(
                net.as_raw(),
                self.marker.as_ptr(),
                Some(call::<F>),
                (&raw mut added).cast(),
            )
        }
    }

    /// Leaves the list of `net`, if it belongs to that, for good.
    pub(crate) fn leave(&self, net: &Net) {
        if self.belongs_to(net) {
            // SAFETY: As in `take`.
            unsafe { bindings::datapath_states_leave(net.as_raw(), self.marker.as_ptr()) };
        }
    }

    /// Whether it belongs to `net`, as it does from now on if it has not belonged to any.
    fn belongs_to(&self, net: &Net) -> bool {
        let id = net.id();
        match self.net.cmpxchg(0, id, Relaxed) {
            // INVARIANT: The marker is in no list yet, and may come into that of this namespace.
            Ok(_) => true,
            Err(other) => other == id,
        }
    }
}

impl Drop for AddedStates {
    fn drop(&mut self) {
        let marker = self.marker.as_ptr();
        // SAFETY: The marker is allocated. If it is in a list, its neighbours may change.
        let is_alone = unsafe {
            let all = &raw mut (*marker).km.all;
            read_acquire(&raw mut (*all).next) == all
        };
        if is_alone {
            // SAFETY: By the type invariant it came from a `KBox`, and nobody else refers to it.
            drop(unsafe { KBox::<MaybeUninit<bindings::xfrm_state>>::from_raw(marker.cast()) });
        }
    }
}
