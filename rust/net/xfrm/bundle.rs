// SPDX-License-Identifier: GPL-2.0

//! Bundles of IPsec states that are kept, to be used for more than one packet.
//!
//! C source: [`net/xfrm/xfrm_policy.c`](srctree/net/xfrm/xfrm_policy.c)

use crate::{
    bindings,
    net::{
        dst::Dst,
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
/// were found for it.
///
/// # Invariants
///
/// The dst has a state, and is the first field of a `struct xfrm_dst`.
pub(crate) struct Bundle {
    dst: ARef<Dst>,
    /// Whether the first state was about to expire when the bundle was made.
    dying: u8,
}

impl Clone for Bundle {
    fn clone(&self) -> Self {
        Self {
            dst: self.dst.clone(),
            dying: self.dying,
        }
    }
}

impl Bundle {
    /// Takes `dst` as a bundle, if it goes through IPsec and would be found again for every packet
    /// of its flow, for as long as [`Self::is_valid`] says.
    ///
    /// That is not so where the look-up has to be repeated because it asks the key managers for
    /// more: optional transforms that have no state yet, and states that each CPU has of its own.
    pub(crate) fn new(dst: &Dst) -> Option<Self> {
        let state = dst.state()?;
        // INVARIANT: Only bundles have a state.
        let this = Self {
            dst: dst.into(),
            dying: state.dying(),
        };
        let xdst = this.fields();
        // CAST: There are two policies at most, with a few templates each.
        let policies = xdst.pols.get(..xdst.num_pols as usize)?;
        let mut transforms = 0;
        for policy in policies {
            // SAFETY: The bundle holds references to its policies.
            let policy = unsafe { &**policy };
            // CAST: The flag is a small number.
            if policy.flags & bindings::XFRM_POLICY_CPU_ACQUIRE as u8 != 0 {
                return None;
            }
            transforms += c_int::from(policy.xfrm_nr);
        }
        (transforms == xdst.num_xfrms).then_some(this)
    }

    fn fields(&self) -> &bindings::xfrm_dst {
        // SAFETY: The type invariant. What is read here does not change.
        unsafe { &*self.dst.as_raw().cast::<bindings::xfrm_dst>() }
    }

    /// Whether the look-up would find the same bundle again: its policies, states and routes are
    /// what they were, and its MTU is up to date.
    pub(crate) fn is_valid(&self, _rcu: &rcu::Guard) -> bool {
        // SAFETY: The dst is live, and RCU is held. A bundle has no cookie of its own.
        let valid = unsafe { bindings::net_helper_dst_check(self.dst.as_raw()) };
        let dying = self.state().map(State::dying);
        valid && dying == Some(self.dying)
    }

    /// Notes the time at which the policies were used, as the look-up does; key managers read it.
    pub(crate) fn stamp_policies(&self) {
        let xdst = self.fields();
        // SAFETY: It only reads the clock.
        let now = unsafe { bindings::ktime_get_real_seconds() };
        // CAST: There are two policies at most.
        for policy in xdst.pols.iter().take(xdst.num_pols as usize) {
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
    pub(crate) fn into_dst(self) -> ARef<Dst> {
        self.dst
    }
}
