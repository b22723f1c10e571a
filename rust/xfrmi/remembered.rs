// SPDX-License-Identifier: GPL-2.0

//! What was found or made for packets, for those that follow: the bundles that they were sent
//! through, and the metadata that they were received with.
//!
//! A bundle is known by what tells one look-up from another: the flow, the route, the connection.
//! It is used again as long as nothing has changed that the look-up depends on
//! ([`changes`](super::changes)), and the kernel, asked as it is for bundles that sockets keep,
//! says that it is valid. As a second line, in case something was overlooked, it is looked up again
//! after some time ([`caches`]).
//!
//! With softirqs disabled, under RCU; [`forget`] sleeps.

use super::{
    caches::{
        self,
        KnownBundle, //
    },
    changes::Generation,
    interface::Interface,
    key::{
        BundleKey,
        InfoKey, //
    },
    sets::Placed,
    stats::Event, //
};

use crate::net::{
    dst::Dst,
    flow::Flow,
    jiffies::Recent,
    link::Device,
    net_namespace::Net,
    pernet::Hold,
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
        rcu, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

/// The bundle for packets of `dev` with this key, if it is known and can be used.
pub(super) fn known_bundle(
    key: &BundleKey,
    dev: &Device<Interface>,
    rcu: &rcu::Guard,
) -> Option<ARef<Dst>> {
    let generation = Generation::now(dev.link_net(), key.if_id(), rcu)?;
    caches::of_this_cpu(rcu)?.bundles().get(key, |found| {
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
    since: Recent,
}

impl BeforeLookUp {
    /// Begins a look-up in `net` for packets with this key. `None` if its result is not to be
    /// remembered, because the namespace goes.
    pub(super) fn begin(key: BundleKey, net: &Net, rcu: &rcu::Guard) -> Option<Self> {
        let since = Recent::now();
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
    /// certain. Returns what has become of it, if it is.
    pub(super) fn found(
        self,
        dst: &Dst,
        flow: &Flow,
        holds: (Hold, Option<Hold>),
        rcu: &rcu::Guard,
    ) -> Option<Placed> {
        let caches = caches::of_this_cpu(rcu)?;
        let bundle = Bundle::new(dst, flow, holds, rcu)?;
        let has_inet6 = bundle.involves(Family::Inet6);
        if has_inet6 && !self.is_settled {
            return None;
        }
        let found = KnownBundle {
            bundle,
            generation: self.generation,
            has_inet6,
            since: self.since,
        };
        caches.look_after(caches.bundles().put(self.key, found))
    }
}

/// Metadata that says `info`, for one packet of `dev` of many that share it. Fails with `ENOMEM`,
/// and with `ENODEV` where there are no caches.
#[inline(always)]
pub(super) fn metadata(
    info: MdInfo,
    dev: &Device<Interface>,
    rcu: &rcu::Guard,
) -> Result<SharedMetadata> {
    let caches = caches::of_this_cpu(rcu).ok_or(ENODEV)?;
    let key = InfoKey::new(info);
    if let Some(metadata) = caches.metadata().get(&key, |known| Some(known.clone())) {
        return Ok(metadata);
    }
    let metadata = SharedMetadata::new(info)?;
    dev.data().stats.count(Event::MetadataMade);
    caches.look_after(caches.metadata().put(key, metadata.clone()));
    Ok(metadata)
}

/// Forgets what belongs to a namespace that goes away. Packets of it may still be sent, but nothing
/// more is remembered for them. In process context; sleeps.
pub(super) fn forget(net: &Net) {
    let forgotten = || {
        let rcu = rcu::read_lock();
        // Every cache is asked, also after one of them has to be asked again.
        caches::of_all_cpus(&rcu).fold(true, |all, caches| {
            let gone = |found: &KnownBundle| found.bundle.refers_to(net);
            caches.bundles().forget(gone) && all
        })
    };
    while !forgotten() {
        fsleep(Delta::from_millis(1));
    }
}
