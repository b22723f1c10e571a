// SPDX-License-Identifier: GPL-2.0

//! Bundles of IPsec states that are kept, to be used for more than one packet.
//!
//! C source: [`net/xfrm/xfrm_policy.c`](srctree/net/xfrm/xfrm_policy.c)

use crate::{
    bindings,
    net::{
        dst::Dst,
        namespace::{
            Hold,
            Net, //
        },
        xfrm::State, //
    }, //
};

use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    }, //
};

/// A route through IPsec states: what the policies say about a flow, together with the states that
/// were found for it. It may be kept; the namespaces that it refers to wait for it when they go.
///
/// # Invariants
///
/// The dst has a state, and is the first field of a `struct xfrm_dst`. `holds` are of the namespaces of
/// its policies and states, of its device, and of the route that it is upon.
pub(crate) struct Bundle {
    // Before `holds`: fields are dropped in this order.
    dst: ARef<Dst>,
    holds: [Hold; 2],
    /// Whether the first state was about to expire when the bundle was made.
    dying: u8,
}

// SAFETY: `struct xfrm_dst` is shared between CPUs; the methods here take that into account. The
// namespaces that it refers to outlive it, wherever it is put.
unsafe impl Send for Bundle {}

impl Bundle {
    /// Takes `dst` as a bundle, if it goes through IPsec, refers to no other namespaces than those of
    /// `holds`, and would be found again for every packet of its flow, for as long as
    /// [`Self::is_valid`] says.
    ///
    /// That is not so where the look-up has to be repeated because it asks the key managers for
    /// more: optional transforms that have no state yet, and states that each CPU has of its own.
    pub(crate) fn new(dst: &Dst, holds: [Hold; 2], rcu: &rcu::Guard) -> Option<Self> {
        let held = |net: &Net| holds.iter().any(|hold| hold.is_of(net));

        let dying = dst.state()?.dying();
        // Only bundles have a state.
        let xdst = Self::fields(dst);
        // SAFETY: The bundle is live, and what is read here does not change.
        let (policies, num_policies, num_transforms, route) = unsafe {
            (
                (*xdst).pols,
                (*xdst).num_pols,
                (*xdst).num_xfrms,
                (*xdst).route,
            )
        };
        // SAFETY: The bundle holds a reference to its route.
        let route = unsafe { route.cast::<Dst>().as_ref() }?;
        if !held(dst.device(rcu).net(rcu)) || !held(route.device(rcu).net(rcu)) {
            return None;
        }
        let mut transforms: c_int = 0;
        // CAST: There are two policies at most.
        for policy in policies.get(..num_policies as usize)? {
            // SAFETY: The bundle holds references to its policies; what is read here does not change.
            let (flags, count) = unsafe { ((**policy).flags, (**policy).xfrm_nr) };
            // SAFETY: A policy that a packet just found is in a live namespace.
            let net = unsafe { Net::from_possible(&raw const (**policy).xp_net) };
            // CAST: The flag is a small number.
            if flags & bindings::XFRM_POLICY_CPU_ACQUIRE as u8 != 0 || !held(net) {
                return None;
            }
            // There are a few at most.
            transforms = transforms.wrapping_add(count.into());
        }
        if transforms != num_transforms {
            return None;
        }
        // INVARIANT: All of it was checked above. States are in the namespace of their policies.
        Some(Self {
            dst: dst.into(),
            holds,
            dying,
        })
    }

    fn fields(dst: &Dst) -> *mut bindings::xfrm_dst {
        dst.as_raw().cast()
    }

    /// Whether it refers to `net`.
    pub(crate) fn refers_to(&self, net: &Net) -> bool {
        self.holds.iter().any(|hold| hold.is_of(net))
    }

    /// Whether the look-up would find the same bundle again: its policies, states and routes are
    /// what they were, and its MTU is up to date.
    pub(crate) fn is_valid(&self, _rcu: &rcu::Guard) -> bool {
        let dst = self.dst.as_raw();
        // As dst_check() does with what asks to be checked always, as bundles do.
        //
        // SAFETY: The dst is live, and its operations are static.
        let Some(check) = (unsafe { (*(*dst).ops).check }) else {
            return false;
        };
        // SAFETY: The dst is live, and RCU is held. A bundle has no cookie of its own.
        let valid = !unsafe { check(dst, 0) }.is_null();
        let dying = self.state().map(State::dying);
        valid && dying == Some(self.dying)
    }

    /// Notes the time at which the policies were used, as the look-up does; key managers read it.
    pub(crate) fn stamp_policies(&self) {
        let xdst = Self::fields(&self.dst);
        // SAFETY: By the type invariant, and what is read here does not change.
        let (policies, num_policies) = unsafe { ((*xdst).pols, (*xdst).num_pols) };
        // SAFETY: It only reads the clock.
        let now = unsafe { bindings::ktime_get_real_seconds() };
        // CAST: There are two policies at most.
        for policy in policies.iter().take(num_policies as usize) {
            // SAFETY: The bundle holds references to its policies. Others write the same field.
            unsafe {
                (&raw mut (**policy).curlft.use_time).write_volatile(now as u64);
            }
        }
    }

    fn state(&self) -> Option<&State> {
        self.dst.state()
    }

    /// The bundle as somewhere that packets can be sent to.
    pub(crate) fn dst(&self) -> ARef<Dst> {
        self.dst.clone()
    }
}
