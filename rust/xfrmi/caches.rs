// SPDX-License-Identifier: GPL-2.0

//! What was found or made for packets, for those that follow: the bundles that they were sent through,
//! and the metadata that they were received with.
//!
//! A bundle is known by all that its look-up depends on: the flow, the route, the connection. It is
//! used again only after the kernel has checked it, as it does for bundles that sockets keep, so that
//! a change of policies, states, routes or MTU is noticed by the next packet. What has become
//! invalid, or has not been used, is forgotten within two seconds.

use super::{
    cache::{
        mix,
        Cache,
        Key, //
    },
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
        FlowKey, //
    },
    global::{
        Global,
        Registration, //
    },
    namespace::Net,
    rtnl::Link,
    timer::{
        Expire,
        Timer, //
    },
    xfrm::{
        Bundle,
        StateEvents, //
    }, //
};

use core::sync::atomic::{
    AtomicU32,
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

static CACHES: Global<Timer<Caches>> = Global::new();

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

/// A bundle, as found when `states` was [`States::count()`].
struct Found {
    bundle: Bundle,
    states: u32,
}

impl Found {
    fn is_valid(&self, rcu: &rcu::Guard) -> bool {
        self.states == States::count() && self.bundle.is_valid(rcu)
    }
}

/// How often states were added. The states of a bundle do not tell whether one was added that the
/// look-up would prefer, as for its own CPU. Atomics of the kernel crate would be calls of C.
static STATES_ADDED: AtomicU32 = AtomicU32::new(0);

/// Counts the states that are added.
pub(crate) struct States;

impl States {
    /// How many were added. Ask before the look-up of what is to be remembered.
    pub(super) fn count() -> u32 {
        STATES_ADDED.load(Ordering::Acquire)
    }
}

impl StateEvents for States {
    fn added() {
        STATES_ADDED.fetch_add(1, Ordering::Release);
    }
}

pub(crate) struct Caches {
    bundles: Cache<BundleKey, Found>,
    metadata: Cache<InfoKey, Metadata>,
}

impl Expire for Caches {
    fn expired(&self, timer: &Timer<Self>) {
        let rcu = rcu::read_lock();
        let bundles_left = self.bundles.sweep(|found| found.is_valid(&rcu));
        if self.metadata.sweep(|_| true) || bundles_left {
            timer.start(SWEEP_SECONDS);
        }
    }
}

/// The caches are there, until it is dropped.
pub(crate) type CachesRegistration = Registration<Timer<Caches>>;

/// Makes the caches.
pub(crate) fn register() -> Result<CachesRegistration> {
    flow::init();
    let caches = Caches {
        bundles: Cache::new(net::random_u64())?,
        metadata: Cache::new(net::random_u64())?,
    };
    CACHES.register(KBox::pin_init(Timer::new(caches), GFP_KERNEL)?)
}

/// The bundle for packets with this key, if it is known and still right.
pub(super) fn bundle(key: &BundleKey, rcu: &rcu::Guard) -> Option<ARef<Dst>> {
    CACHES.get(rcu)?.data().bundles.get(key, |found| {
        if !found.is_valid(rcu) {
            return None;
        }
        found.bundle.stamp_policies();
        Some(found.bundle.dst())
    })
}

/// Remembers the bundle that was found for packets of a device when `states` were added. Not while
/// one of its namespaces is removed: what belongs to that has been forgotten, or is just about to be.
pub(super) fn remember(
    key: BundleKey,
    dst: &Dst,
    states: u32,
    dev: &Device<Interface>,
    rcu: &rcu::Guard,
) {
    let hold = |net| Interface::KIND.get().hold(net, rcu);
    let (Some(of_device), Some(of_link), Some(caches)) =
        (hold(dev.net(rcu)), hold(dev.link_net()), CACHES.get(rcu))
    else {
        return;
    };
    let Some(bundle) = Bundle::new(dst, [of_device, of_link], rcu) else {
        return;
    };
    if caches.data().bundles.put(key, Found { bundle, states }) {
        caches.start(SWEEP_SECONDS);
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
        CACHES.get(&rcu).is_none_or(|caches| {
            caches
                .data()
                .bundles
                .forget(|found| found.bundle.refers_to(net))
        })
    };
    while !forgotten() {
        fsleep(Delta::from_millis(1));
    }
}
