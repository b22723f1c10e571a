// SPDX-License-Identifier: GPL-2.0

//! What was found or made for packets, for those that follow: the bundles that they were sent
//! through, and the metadata that they were received with.
//!
//! A bundle is known by what tells one look-up from another: the flow, the route, the connection.
//! It is used again as long as nothing has changed that the look-up depends on
//! ([`changes`](super::changes)), and the kernel, asked as it is for bundles that sockets keep,
//! says that it is valid. As a second line, in case something was overlooked, it is looked up again
//! after a quarter of a second. What has become invalid, or has not been used, is forgotten within
//! two seconds.
//!
//! Each CPU has a [`Cache`] of its own for either. They are used with softirqs disabled, under RCU;
//! a timer of the CPU sweeps them. [`register`] and [`forget`] sleep.

use super::{
    cache::Cache,
    changes::Generation,
    interface::Interface,
    key::{
        BundleKey,
        InfoKey, //
    },
    stats::Event, //
};

use crate::net::{
    self,
    atomic,
    dst::Dst,
    flow::{
        self,
        Flow, //
    },
    jiffies::{
        self,
        Instant, //
    },
    link::Device,
    net_namespace::Net,
    per_cpu::{
        PerCpu,
        PerCpuRef,
        PerCpuRegistration,
        PerCpuSlot, //
    },
    pernet::Hold,
    timer::{
        Expire,
        Timer, //
    },
    xfrm::{
        Bundle,
        MdInfo,
        SharedMetadata, //
    },
    Family, //
};

use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

/// The time between sweeps, in milliseconds.
const SWEEP: u32 = 1000;

/// What is known, for each CPU.
static CACHES: PerCpuSlot<Timer<Caches>> = PerCpuSlot::new();

/// A bundle that was found.
struct KnownBundle {
    /// The bundle.
    bundle: Bundle,
    /// The generation of the connection before the look-up.
    generation: Generation,
    /// Whether the bundle has to do with IPv6.
    has_inet6: bool,
    /// When the look-up began.
    since: Instant,
}

impl KnownBundle {
    /// Whether the bundle can be used while the connection is at `generation`.
    #[inline]
    fn is_valid(&self, generation: Generation, rcu: &rcu::Guard) -> bool {
        self.generation.is_still(generation, self.has_inet6)
            && self.since.elapsed() < atomic::load(&LIFETIME)
            && self.bundle.is_valid(rcu)
    }
}

/// How long a bundle is used without being looked up again, in ticks.
static LIFETIME: Atomic<usize> = Atomic::new(0);

/// What is known for packets of a CPU.
pub(crate) struct Caches {
    /// The bundles that packets were sent through.
    bundles: Cache<BundleKey, KnownBundle>,
    /// The metadata that packets were received with.
    metadata: Cache<InfoKey, SharedMetadata>,
}

impl PerCpu for Timer<Caches> {
    const SLOT: PerCpuRef<Self> = PerCpuRef::new(&CACHES);

    fn new() -> impl PinInit<Self, Error> {
        Timer::new(try_init!(Caches {
            bundles: Cache::new(net::random_u64())?,
            metadata: Cache::new(net::random_u64())?,
        }? Error))
    }
}

impl Expire for Caches {
    fn expired(&self, timer: &Timer<Self>) {
        let rcu = rcu::read_lock();
        let bundles_left = self.bundles.sweep(|found| found.bundle.is_valid(&rcu));
        if self.metadata.sweep(|_| true) || bundles_left {
            timer.start(jiffies::ticks(SWEEP));
        }
    }
}

/// The registration of the caches, which are there until it is dropped.
pub(crate) type CachesRegistration = PerCpuRegistration<Timer<Caches>>;

/// Makes the caches. Bundles are used for `lifetime` milliseconds, after which they are looked up
/// again; 0 for not at all. Fails for lack of memory. In process context; sleeps.
pub(crate) fn register(lifetime: u32) -> Result<CachesRegistration> {
    flow::init();
    LIFETIME.store(jiffies::ticks(lifetime), Relaxed);
    CACHES.register()
}

/// The bundle for packets of `dev` with this key, if it is known and can be used.
pub(super) fn known_bundle(
    key: &BundleKey,
    dev: &Device<Interface>,
    rcu: &rcu::Guard,
) -> Option<ARef<Dst>> {
    let generation = Generation::now(dev.link_net(), key.if_id(), rcu)?;
    CACHES.get(rcu)?.data().bundles.get(key, |found| {
        if !found.is_valid(generation, rcu) {
            dev.data().stats.count(Event::Stale);
            return None;
        }
        found.bundle.stamp_policies();
        Some(found.bundle.dst())
    })
}

/// What is noted before a look-up whose result is to be remembered: what changes during the
/// look-up is then noticed as changed afterwards.
pub(super) struct BeforeLookUp {
    /// What the bundle is going to be known by.
    key: BundleKey,
    /// The generation of the connection.
    generation: Generation,
    /// Whether a look-up finds all of IPv6 that the generation counts.
    is_settled: bool,
    /// The time.
    since: Instant,
}

impl BeforeLookUp {
    /// Begins a look-up in `net` for packets with this key. `None` if its result is not to be
    /// remembered, because the namespace goes.
    pub(super) fn begin(key: BundleKey, net: &Net, rcu: &rcu::Guard) -> Option<Self> {
        let since = Instant::now();
        let (generation, is_settled) = Generation::before_look_up(net, key.if_id(), rcu)?;
        Some(Self {
            key,
            generation,
            is_settled,
            since,
        })
    }

    /// Remembers `dst`, which was found for packets of `flow` and may refer to the namespaces of
    /// `holds`, if it is a [`Bundle`] that may be kept, and what has just changed was found for
    /// certain. Returns whether another one gave way to it.
    pub(super) fn found(
        self,
        dst: &Dst,
        flow: &Flow,
        holds: (Hold, Option<Hold>),
        rcu: &rcu::Guard,
    ) -> bool {
        let (Some(caches), Some(bundle)) = (CACHES.get(rcu), Bundle::new(dst, flow, holds, rcu))
        else {
            return false;
        };
        let has_inet6 = bundle.involves(Family::Inet6);
        if has_inet6 && !self.is_settled {
            return false;
        }
        let found = KnownBundle {
            bundle,
            generation: self.generation,
            has_inet6,
            since: self.since,
        };
        let put = caches.data().bundles.put(self.key, found);
        if put.is_first {
            caches.start(jiffies::ticks(SWEEP));
        }
        put.has_evicted
    }
}

/// Metadata that says `info`, for one packet of `dev` of many that share it. Fails with `ENOMEM`,
/// and with `ENODEV` where there are no caches.
pub(super) fn metadata(
    info: MdInfo,
    dev: &Device<Interface>,
    rcu: &rcu::Guard,
) -> Result<SharedMetadata> {
    let caches = CACHES.get(rcu).ok_or(ENODEV)?;
    let key = InfoKey::new(info);
    if let Some(metadata) = caches
        .data()
        .metadata
        .get(&key, |known| Some(known.clone()))
    {
        return Ok(metadata);
    }
    let metadata = SharedMetadata::new(info)?;
    dev.data().stats.count(Event::MetadataMade);
    if caches.data().metadata.put(key, metadata.clone()).is_first {
        caches.start(jiffies::ticks(SWEEP));
    }
    Ok(metadata)
}

/// Forgets what belongs to a namespace that goes away. Packets of it may still be sent, but nothing
/// more is remembered for them. In process context; sleeps.
pub(super) fn forget(net: &Net) {
    let forgotten = || {
        let rcu = rcu::read_lock();
        // Every cache is asked, also after one of them has to be asked again.
        CACHES.all(&rcu).fold(true, |all, caches| {
            let bundles = &caches.data().bundles;
            bundles.forget(|found| found.bundle.refers_to(net)) && all
        })
    };
    while !forgotten() {
        fsleep(Delta::from_millis(1));
    }
}
