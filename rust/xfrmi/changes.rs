// SPDX-License-Identifier: GPL-2.0

//! What the look-up of a bundle depends on, and who tells when it changes.
//!
//! A bundle that was found may be used again only as long as a look-up would find the same one. So
//! for each namespace, whatever may change that is counted: by ourselves where the kernel tells of
//! it ([`Watch`]), by the kernel where it does not. The counts together are a [`Generation`]. What
//! neither counts is checked at each use, or not remembered, or named in `docs/remembered.md`.
//!
//! [`Watch`] is told in any context; generations are read for each packet. Nothing here sleeps.

use super::interface::Interface;

use crate::net::{
    atomic::load_acquire,
    link::LinkOps,
    net_namespace::Net,
    notifier::Listener,
    rcu::GracePeriod, //
};

use kernel::sync::{
    atomic::{
        Acquire,
        Atomic,
        Release, //
    },
    rcu, //
};

/// The listener to changes of policies, states, devices and neighbours: it counts them for their
/// namespace.
pub(crate) struct Watch;

impl Listener for Watch {
    fn changed(net: &Net, rcu: &rcu::Guard) {
        if let Some(namespace) = Interface::KIND.get().per_net(net, rcu) {
            namespace.changes.told.fetch_add(1, Release);
        }
    }
}

/// What has changed in a namespace.
pub(crate) struct Changes {
    /// How often [`Watch`] was told of something.
    told: Atomic<u32>,
    /// [`Net::inet6_changes`] when somebody last looked whether changes of IPv6 are settled.
    inet6: Atomic<u32>,
    /// The grace period that has to pass after that: IPv6 counts a change before it can be found.
    settling: GracePeriod,
}

impl Changes {
    /// Nothing has changed yet.
    pub(super) fn new() -> Self {
        Self {
            told: Atomic::new(0),
            inet6: Atomic::new(0),
            settling: GracePeriod::new(),
        }
    }

    /// What stands for all that look-ups in `net` depend on now.
    #[inline]
    fn generation(&self, net: &Net) -> Generation {
        // None of them ever goes back, so their sum does not either.
        let count = load_acquire(&self.told)
            .wrapping_add(net.inet6_changes())
            .wrapping_add(net.nexthop_changes())
            .wrapping_add(net.state_table_size());
        // CAST: The lower bits are enough to tell one state from the next; those of the alignment
        // are not.
        let newest = (net.newest_state() >> 6) as u32;
        Generation(u64::from(count) << 32 | u64::from(newest))
    }

    /// Whether look-ups find all that is counted by now. If not, it is asked for the grace period
    /// that this takes.
    fn is_settled(&self, net: &Net) -> bool {
        let inet6 = net.inet6_changes();
        if self.inet6.load(Acquire) == inet6 {
            return self.settling.has_passed();
        }
        self.settling.ask();
        self.inet6.store(inet6, Release);
        false
    }
}

/// Stands for all that look-ups in a namespace depend on: while it is the same, a look-up finds the
/// same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation(u64);

impl Generation {
    /// The generation of `net` at present; `None` once the namespace is being removed.
    #[inline]
    pub(super) fn now(net: &Net, rcu: &rcu::Guard) -> Option<Self> {
        let namespace = Interface::KIND.get().per_net(net, rcu)?;
        Some(namespace.changes.generation(net))
    }

    /// The generation for a look-up in `net` that follows, and whose result is to be remembered.
    /// `None` also while a change is under way that the look-up may or may not find yet.
    pub(super) fn before_look_up(net: &Net, rcu: &rcu::Guard) -> Option<Self> {
        let changes = &Interface::KIND.get().per_net(net, rcu)?.get_ref().changes;
        let generation = changes.generation(net);
        changes.is_settled(net).then_some(generation)
    }
}
