// SPDX-License-Identifier: GPL-2.0

//! What the look-up of a bundle depends on, and who tells when it changes.
//!
//! A bundle that was found may be used again only as long as a look-up would find the same one. So
//! for each namespace, whatever may change that is counted: by ourselves where the kernel tells of
//! it ([`Watch`]) or shows it ([`AddedStates`]), by the kernel where it does neither. The counts
//! together are a [`Generation`]. What nobody counts is checked at each use, or not remembered, or
//! named in `docs/remembered.md`.
//!
//! What concerns one connection, or only IPv6, is counted for that alone: others' bundles stay good.
//!
//! [`Watch`] is told in any context; generations are read for each packet. Nothing here sleeps.

use super::interface::Interface;

use crate::{
    compat::casts::u32_as_usize,
    net::{
        self,
        atomic::load_acquire,
        hash::hash_32,
        link::LinkOps,
        net_namespace::Net,
        notifier::Listener,
        rcu::GracePeriod,
        xfrm::{
            AddedStates,
            ConnectionListener, //
        }, //
    }, //
};

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        rcu, //
    }, //
};

/// The listener to changes of policies, states, devices and neighbours: it counts them for their
/// namespace.
pub(crate) struct Watch;

impl Listener for Watch {
    fn changed(net: &Net, rcu: &rcu::Guard) {
        Self::connection_changed(net, None, rcu);
    }
}

impl ConnectionListener for Watch {
    fn connection_changed(net: &Net, if_id: Option<u32>, rcu: &rcu::Guard) {
        if let Some(namespace) = Interface::KIND.get().per_net(net, rcu) {
            namespace.get_ref().changes.told(if_id);
        }
    }
}

/// What has changed in a namespace.
#[pin_data]
pub(crate) struct Changes {
    /// How often [`Watch`] was told of something that concerns all connections.
    all: Atomic<u32>,
    /// How often something that concerns one connection was told of or seen, by its `if_id`.
    #[pin]
    connections: [Atomic<u32>; Changes::CONNECTIONS],
    /// Which connections share a counter depends on this, so that nobody can choose an `if_id`
    /// whose states trouble another.
    seed: u32,
    /// The states that were added.
    states: AddedStates,
    /// [`Net::inet6_changes`] when somebody last looked whether changes of IPv6 are settled.
    inet6: Atomic<u32>,
    /// The grace period that has to pass after that: IPv6 counts a change before it can be found.
    settling: GracePeriod,
}

impl Changes {
    /// How many counters there are for connections; a power of two. With a hundred thousand
    /// connections that get new states every hour each of them changes twice in three seconds.
    const CONNECTIONS: usize = 256;

    /// Nothing has changed yet. Fails with `ENOMEM`; may sleep.
    pub(super) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            all: Atomic::new(0),
            connections <- pin_init::pin_init_array_from_fn(|_| Atomic::new(0)),
            // CAST: Half of it is as random.
            seed: net::random_u64() as u32,
            states: AddedStates::new()?,
            inet6: Atomic::new(0),
            settling: GracePeriod::new(),
        }? Error)
    }

    /// The namespace goes, or the driver does.
    pub(super) fn leave(&self, net: &Net) {
        self.states.leave(net);
    }

    /// The counter of the connection `if_id`.
    #[inline]
    fn of(&self, if_id: u32) -> &Atomic<u32> {
        let at = hash_32::<{ Changes::CONNECTIONS.ilog2() }>(if_id ^ self.seed);
        // It is always there.
        self.connections.get(u32_as_usize(at)).unwrap_or(&self.all)
    }

    /// Counts something that concerns this connection, or all.
    fn told(&self, if_id: Option<u32>) {
        if_id
            .map_or(&self.all, |if_id| self.of(if_id))
            .fetch_add(1, Release);
    }

    /// Counts the states that were added.
    #[cold]
    #[inline(never)]
    fn see_states(&self, net: &Net) {
        let count = |if_id| {
            self.of(if_id).fetch_add(1, Relaxed);
        };
        if !self.states.take(net, count) {
            self.told(None);
        }
    }

    /// What stands for all that look-ups for the connection `if_id` (host byte order) in `net`
    /// depend on now.
    #[inline]
    fn generation(&self, net: &Net, if_id: u32) -> Generation {
        // First this, because it counts.
        if self.states.any(net) {
            self.see_states(net);
        }
        // None of them ever goes back, so their sum does not either.
        let count = load_acquire(&self.all)
            .wrapping_add(load_acquire(self.of(if_id)))
            .wrapping_add(net.nexthop_changes())
            .wrapping_add(net.state_table_size());
        Generation {
            count,
            inet6: net.inet6_changes(),
        }
    }

    /// Whether look-ups find all of IPv6 that is counted by now. If not, it is asked for the grace
    /// period that this takes.
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

/// Stands for all that look-ups for a connection of a namespace depend on: while it is the same, a
/// look-up finds the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation {
    /// What all look-ups depend on.
    count: u32,
    /// What those depend on that have to do with IPv6.
    inet6: u32,
}

impl Generation {
    /// The generation for the connection `if_id` (host byte order) of `net` at present; `None` once
    /// the namespace is being removed.
    #[inline]
    pub(super) fn now(net: &Net, if_id: u32, rcu: &rcu::Guard) -> Option<Self> {
        let namespace = Interface::KIND.get().per_net(net, rcu)?;
        Some(namespace.get_ref().changes.generation(net, if_id))
    }

    /// The generation for a look-up for the connection `if_id` of `net` that follows, and whose
    /// result is to be remembered; and whether a look-up finds all of IPv6 that it counts. `None`
    /// as for [`Self::now`].
    pub(super) fn before_look_up(net: &Net, if_id: u32, rcu: &rcu::Guard) -> Option<(Self, bool)> {
        let changes = &Interface::KIND.get().per_net(net, rcu)?.get_ref().changes;
        let generation = changes.generation(net, if_id);
        Some((generation, changes.is_settled(net)))
    }

    /// Whether a look-up that had to do with IPv6, or had not, still finds the same now.
    #[inline]
    pub(super) fn is_still(self, now: Self, has_inet6: bool) -> bool {
        self.count == now.count && (self.inet6 == now.inet6 || !has_inet6)
    }
}
