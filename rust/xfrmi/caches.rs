// SPDX-License-Identifier: GPL-2.0

//! The caches that each CPU has: how long what is in them is good, when they are swept, and how much
//! memory they take.
//!
//! A timer of the CPU sweeps them once a second, large ones in parts, so that none holds packets up.
//! What has become invalid, or has not been used, is forgotten within two seconds. Work gives them
//! other tables when those do not fit ([`cache`](super::cache)).
//!
//! They are used with softirqs disabled, under RCU. [`register`] sleeps.

use super::{
    cache::{
        Cache,
        Put, //
    },
    changes::Generation,
    key::{
        BundleKey,
        InfoKey, //
    },
    sets::{
        Placed,
        WAYS, //
    }, //
};

use crate::{
    compat::casts::u32_as_usize,
    net::{
        self,
        atomic,
        flow,
        jiffies::{
            self,
            Recent, //
        },
        per_cpu::{
            PerCpu,
            PerCpuRef,
            PerCpuRegistration,
            PerCpuSlot, //
        },
        timer::{
            Expire,
            Timer, //
        },
        trace,
        work::{
            Run,
            Work, //
        },
        xfrm::{
            Bundle,
            SharedMetadata, //
        }, //
    }, //
};

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

/// The time in which a table is swept once, in milliseconds.
const ROUND: u32 = 1000;

/// How many sets of a table are swept at once, unless that would be more than [`PARTS`] times.
const PART: usize = 256;

/// In how many parts a table is swept at the most.
const PARTS: usize = 64;

/// How long a bundle is used without being looked up again, in ticks.
static LIFETIME: Atomic<u32> = Atomic::new(0);

/// How much memory the tables of a CPU may take, in bytes.
static MEMORY: Atomic<usize> = Atomic::new(0);

/// Metadata may take this part of it. An entry is a sixth of a bundle's, and there are as many as
/// connections, while a connection may have many flows.
const FOR_METADATA: usize = 16;

/// What is known, for each CPU.
static CACHES: PerCpuSlot<CpuCaches> = PerCpuSlot::new();

/// A bundle that was found.
pub(super) struct KnownBundle {
    /// The bundle.
    pub(super) bundle: Bundle,
    /// The generation of the connection before the look-up.
    pub(super) generation: Generation,
    /// Whether the bundle has to do with IPv6.
    pub(super) has_inet6: bool,
    /// When the look-up began.
    pub(super) since: Recent,
}

impl KnownBundle {
    /// Whether the bundle can be used while the connection is at `generation`.
    #[inline]
    pub(super) fn is_valid(&self, generation: Generation, rcu: &rcu::Guard) -> bool {
        self.generation.is_still(generation, self.has_inet6)
            && self.since.elapsed() < atomic::load(&LIFETIME)
            && self.bundle.is_valid(rcu)
    }
}

type Bundles = Cache<BundleKey, KnownBundle>;
type Metadata = Cache<InfoKey, SharedMetadata>;

/// What is known for packets of a CPU.
pub(crate) struct Caches {
    /// The bundles that packets were sent through.
    bundles: Bundles,
    /// The metadata that packets were received with.
    metadata: Metadata,
    /// How many parts have been swept in this round.
    swept: Atomic<usize>,
}

/// The caches of a CPU, with what looks after them.
#[pin_data]
pub(crate) struct CpuCaches {
    #[pin]
    timer: Timer<Work<Caches>>,
}

impl PerCpu for CpuCaches {
    const SLOT: PerCpuRef<Self> = PerCpuRef::new(&CACHES);

    fn new() -> impl PinInit<Self, Error> {
        let memory = MEMORY.load(Relaxed);
        let for_metadata = memory / FOR_METADATA;
        let caches = try_init!(Caches {
            bundles: Cache::new(net::random_u64(), memory - for_metadata)?,
            metadata: Cache::new(net::random_u64(), for_metadata)?,
            swept: Atomic::new(0),
        }? Error);
        try_pin_init!(Self {
            timer <- Timer::new(Work::new(caches)),
        }? Error)
    }
}

impl CpuCaches {
    /// The bundles that packets were sent through.
    #[inline]
    pub(super) fn bundles(&self) -> &Bundles {
        &self.timer.data().data().bundles
    }

    /// The metadata that packets were received with.
    pub(super) fn metadata(&self) -> &Metadata {
        &self.timer.data().data().metadata
    }

    /// Sees to it that what was put into one of them is swept and has room. Returns what has become
    /// of it, if it is known.
    pub(super) fn look_after(&self, put: Put) -> Option<Placed> {
        if put.is_first {
            self.timer.start_within(jiffies::ticks(ROUND));
        }
        if put.wants_resize {
            self.timer.data().schedule();
        }
        put.placed
    }
}

impl Expire for Work<Caches> {
    fn expired(&self, timer: &Timer<Self>) {
        let caches = self.data();
        let largest = caches.bundles.count().max(caches.metadata.count());
        let parts = largest.div_ceil(PART).min(PARTS);
        let rcu = rcu::read_lock();
        caches
            .bundles
            .sweep(parts, |found| found.bundle.is_valid(&rcu));
        caches.metadata.sweep(parts, |_| true);
        drop(rcu);
        // CAST: There are not many.
        let next = jiffies::ticks(ROUND.checked_div(parts as u32).unwrap_or(ROUND)).max(1);
        let swept = caches.swept.load(Relaxed).saturating_add(1);
        if swept < parts {
            caches.swept.store(swept, Relaxed);
            timer.start(next);
            return;
        }
        caches.swept.store(0, Relaxed);
        let rounds = [caches.bundles.end_round(), caches.metadata.end_round()];
        if rounds.iter().any(|round| round.wants_resize) {
            self.schedule();
        }
        if rounds.iter().any(|round| round.is_left) {
            timer.start(next);
        }
    }
}

impl Run for Caches {
    fn run(&self) {
        for (resized, what) in [
            (self.bundles.resize(), trace::Cache::Bundles),
            (self.metadata.resize(), trace::Cache::Metadata),
        ] {
            if let Some((before, after)) = resized {
                what.resized(before.saturating_mul(WAYS), after.saturating_mul(WAYS));
            }
        }
    }
}

/// The registration of the caches, which are there until it is dropped.
pub(crate) type CachesRegistration = PerCpuRegistration<CpuCaches>;

/// Makes the caches. Bundles are used for `lifetime` milliseconds, after which they are looked up
/// again; 0 for not at all. The tables of a CPU take at most `memory` kilobytes, and the least ones
/// in any case. Fails for lack of memory. In process context; sleeps.
pub(crate) fn register(lifetime: u32, memory: u32) -> Result<CachesRegistration> {
    flow::init();
    LIFETIME.store(
        u32::try_from(jiffies::ticks(lifetime)).unwrap_or(u32::MAX),
        Relaxed,
    );
    MEMORY.store(u32_as_usize(memory).saturating_mul(1024), Relaxed);
    CACHES.register()
}

/// Those of this CPU.
#[inline]
pub(super) fn of_this_cpu(rcu: &rcu::Guard) -> Option<&CpuCaches> {
    CACHES.get(rcu)
}

/// Those of all CPUs.
pub(super) fn of_all_cpus(rcu: &rcu::Guard) -> impl Iterator<Item = &CpuCaches> {
    CACHES.all(rcu)
}
