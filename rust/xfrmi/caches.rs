// SPDX-License-Identifier: GPL-2.0

//! What was found or made for packets, for those that follow: the bundles that they were sent through,
//! and the metadata that they were received with.
//!
//! A bundle is known by what tells one look-up from another: the flow, the route, the connection. It is used
//! again as long as nothing has changed that the look-up depends on ([`changes`](super::changes)), and the
//! kernel, asked as it is for bundles that sockets keep, says that it is valid. As a second line, in case
//! something was overlooked, it is looked up again after a quarter of a second. What has become invalid, or
//! has not been used, is forgotten within two seconds.

use super::{
    cache::{
        mix,
        Cache,
        Key, //
    },
    changes::Generation,
    link::Interface, //
};

use crate::net::{
    self,
    device::Device,
    dst::{
        Dst,
        Metadata,
        XfrmInfo, //
    },
    flow::{
        self,
        Flow,
        FlowKey, //
    },
    jiffies::{
        self,
        Instant, //
    },
    namespace::Net,
    per_cpu::{
        PerCpu,
        PerCpuRegistration,
        PerCpuSlot,
        SlotRef, //
    },
    rtnl::Link,
    timer::{
        Expire,
        Timer, //
    },
    xfrm::Bundle, //
};

use core::sync::atomic::{
    AtomicUsize,
    Ordering, //
};

use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

/// The time between sweeps.
const SWEEP_SECONDS: u32 = 1;

static CACHES: PerCpuSlot<Timer<Caches>> = PerCpuSlot::new();

/// What a bundle is known by.
#[derive(Clone, Copy)]
pub(crate) struct BundleKey {
    words: [u64; FlowKey::WORDS + 3],
    more: Option<[u64; FlowKey::MORE]>,
}

impl BundleKey {
    /// The key for packets of `flow` on the route `route` that belong to the connection `info` of the
    /// namespace `net`. Packets with the same route may be redirected to devices of several.
    pub(crate) fn new(flow: FlowKey, route: &Dst, info: XfrmInfo, net: &Net) -> Self {
        let ([a, b, c], more) = flow.words();
        let InfoKey(info) = InfoKey::new(info);
        Self {
            words: [route.id(), info, a, b, c, net.id()],
            more,
        }
    }
}

impl Key for BundleKey {
    fn hash(&self, seed: u64) -> u64 {
        let [a, b, c, d, e, f] = self.words;
        let hash = mix(mix(mix(seed, a, b), c, d), e, f);
        match self.more {
            Some([a, b, c]) => mix(mix(hash, a, b), c, 0),
            None => hash,
        }
    }
}

impl PartialEq for BundleKey {
    fn eq(&self, other: &Self) -> bool {
        // Not as arrays: that would call memcmp().
        let equal = |a: &[u64], b: &[u64]| core::iter::zip(a, b).all(|(a, b)| a == b);
        equal(&self.words, &other.words)
            && match (&self.more, &other.more) {
                (None, None) => true,
                (Some(a), Some(b)) => equal(a, b),
                _ => false,
            }
    }
}

/// What metadata is known by: all that it says.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct InfoKey(u64);

impl InfoKey {
    /// The key for metadata that say `info`.
    pub(crate) fn new(info: XfrmInfo) -> Self {
        // CAST: Indices of devices are not negative.
        Self(u64::from(info.if_id) << 32 | u64::from(info.link as u32))
    }
}

impl Key for InfoKey {
    fn hash(&self, seed: u64) -> u64 {
        mix(seed, self.0, 0)
    }
}

/// A bundle, as found by a look-up that began at `since`, when the namespace was at `generation`.
struct Found {
    bundle: Bundle,
    generation: Generation,
    since: Instant,
}

impl Found {
    /// Whether it can be used while the namespace is at `generation`.
    #[inline]
    fn is_valid(&self, generation: Generation, rcu: &rcu::Guard) -> bool {
        self.generation == generation
            && self.since.elapsed() < LIFETIME.load(Ordering::Relaxed)
            && self.bundle.is_valid(rcu)
    }
}

/// For how long a bundle is used without being looked up again, in ticks.
static LIFETIME: AtomicUsize = AtomicUsize::new(0);

/// What is known for packets of a CPU.
pub(crate) struct Caches {
    bundles: Cache<BundleKey, Found>,
    metadata: Cache<InfoKey, Metadata>,
}

impl PerCpu for Timer<Caches> {
    const SLOT: SlotRef<Self> = SlotRef::new(&CACHES);

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
            timer.start(SWEEP_SECONDS);
        }
    }
}

/// The caches are there, until it is dropped.
pub(crate) type CachesRegistration = PerCpuRegistration<Timer<Caches>>;

/// Makes the caches. Bundles are used for `lifetime` milliseconds, after which they are looked up again.
pub(crate) fn register(lifetime: u32) -> Result<CachesRegistration> {
    flow::init();
    LIFETIME.store(jiffies::ticks(lifetime), Ordering::Relaxed);
    CACHES.register()
}

/// The bundle for packets of a device with this key, if it is known and still right.
pub(super) fn bundle(
    key: &BundleKey,
    dev: &Device<Interface>,
    rcu: &rcu::Guard,
) -> Option<ARef<Dst>> {
    let generation = Generation::now(dev.link_net(), rcu)?;
    CACHES.get(rcu)?.data().bundles.get(key, |found| {
        if !found.is_valid(generation, rcu) {
            return None;
        }
        found.bundle.stamp_policies();
        Some(found.bundle.dst())
    })
}

/// What has to be known of a look-up before it begins, if its result is to be remembered.
pub(super) struct LookUp {
    key: BundleKey,
    generation: Generation,
    since: Instant,
}

impl LookUp {
    /// A look-up for packets of a device with this key; `None` if it may not find what has just changed.
    pub(super) fn begin(key: BundleKey, dev: &Device<Interface>, rcu: &rcu::Guard) -> Option<Self> {
        let since = Instant::now();
        Some(Self {
            key,
            generation: Generation::before_look_up(dev.link_net(), rcu)?,
            since,
        })
    }

    /// Remembers the bundle that was found for packets of `flow`. Not while one of the namespaces of the
    /// device is removed: what belongs to that has been forgotten, or is just about to be.
    pub(super) fn found(self, dst: &Dst, flow: &Flow, dev: &Device<Interface>, rcu: &rcu::Guard) {
        let hold = |net| Interface::KIND.get().hold(net, rcu);
        let (net, link_net) = (dev.net(rcu), dev.link_net());
        let (Some(of_link), Some(caches)) = (hold(link_net), CACHES.get(rcu)) else {
            return;
        };
        let of_device = if net.is(link_net) {
            None
        } else {
            let Some(of_device) = hold(net) else {
                return;
            };
            Some(of_device)
        };
        let Some(bundle) = Bundle::new(dst, flow, (of_link, of_device), rcu) else {
            return;
        };
        let found = Found {
            bundle,
            generation: self.generation,
            since: self.since,
        };
        if caches.data().bundles.put(self.key, found) {
            caches.start(SWEEP_SECONDS);
        }
    }
}

/// Metadata that says `info`, shared with other packets: nobody changes it. Fails with `ENOMEM`.
pub(super) fn metadata(info: XfrmInfo, rcu: &rcu::Guard) -> Result<Metadata> {
    let caches = CACHES.get(rcu).ok_or(ENODEV)?;
    let key = InfoKey::new(info);
    if let Some(metadata) = caches
        .data()
        .metadata
        .get(&key, |known| Some(known.clone()))
    {
        return Ok(metadata);
    }
    let metadata = Metadata::new(info)?;
    if caches.data().metadata.put(key, metadata.clone()) {
        caches.start(SWEEP_SECONDS);
    }
    Ok(metadata)
}

/// Forgets what belongs to a namespace that goes away, in process context. Packets of it may still be
/// sent, but nothing more is remembered for them.
pub(super) fn forget(net: &Net) {
    let forgotten = || {
        let rcu = rcu::read_lock();
        // Of all of them, also if of one it has to be done again.
        CACHES.all(&rcu).fold(true, |all, caches| {
            let bundles = &caches.data().bundles;
            bundles.forget(|found| found.bundle.refers_to(net)) && all
        })
    };
    while !forgotten() {
        fsleep(Delta::from_millis(1));
    }
}
