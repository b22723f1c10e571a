// SPDX-License-Identifier: GPL-2.0

//! A second opinion: a packet whose bundle is known is looked up all the same, and the two
//! compared.
//!
//! Only with `SHADOW=1`, for kernels that find mistakes. A change may be found a moment before the
//! kernel tells of it, so a difference counts only if it lasts. Called as
//! [`transmit`](super::transmit::transmit) is.

use super::{
    interface::Interface,
    key::BundleKey,
    look_up,
    remembered, //
};

use crate::net::{
    dst::Dst,
    flow::Flow,
    jiffies::{
        ticks,
        Instant, //
    },
    link::Device,
    skb::OwnedSkBuff,
    xfrm,
    Family, //
};

use kernel::sync::{
    atomic::{
        Atomic,
        Relaxed, //
    },
    rcu, //
};

/// How long a difference has to last, in milliseconds.
const LASTS: u32 = 100;

/// A bundle that packets are sent through, and that a look-up does not find.
struct Suspect {
    /// The id of the bundle ([`Dst::id`]); 0 for none.
    bundle: Atomic<u64>,
    /// Since when a look-up has not found it ([`Instant::as_raw`]).
    since: Atomic<usize>,
}

/// The suspects: a hash of the bundle chooses the place.
static SUSPECTS: [Suspect; 64] = [const {
    Suspect {
        bundle: Atomic::new(0),
        since: Atomic::new(0),
    }
}; 64];

/// Warns if a packet would not be sent through `known` if that were not known by `key`, and if that
/// has been so for a while.
#[inline(never)]
pub(super) fn compare(
    dev: &Device<Interface>,
    skb: &mut OwnedSkBuff,
    family: Family,
    key: &BundleKey,
    known: &Dst,
    rcu: &rcu::Guard,
) {
    let at = (known.id() >> 8) % 64;
    // CAST: The number is small.
    let Some(suspect) = SUSPECTS.get(at as usize) else {
        return;
    };
    let is_suspect = suspect.bundle.load(Relaxed) == known.id();
    let is_known = |bundle: &Dst| bundle.id() == known.id();
    if is_found(dev, skb, family, known, rcu)
        || !remembered::known_bundle(key, dev, rcu).is_some_and(|bundle| is_known(&bundle))
    {
        if is_suspect {
            suspect.bundle.store(0, Relaxed);
        }
    } else if !is_suspect {
        suspect.since.store(Instant::now().as_raw(), Relaxed);
        suspect.bundle.store(known.id(), Relaxed);
    } else if Instant::from_raw(suspect.since.load(Relaxed)).elapsed() > ticks(LASTS) {
        dev.warn_ratelimited(c"BUG: packets go through a bundle that a look-up does not find");
    }
}

/// Whether a look-up finds a bundle that is as good as `known`.
fn is_found(
    dev: &Device<Interface>,
    skb: &mut OwnedSkBuff,
    family: Family,
    known: &Dst,
    rcu: &rcu::Guard,
) -> bool {
    let Ok(mut flow) = Flow::of(skb, family, dev.net(rcu)) else {
        return false;
    };
    let Some((metadata, route)) = look_up::attached(skb) else {
        return false;
    };
    let Ok(info) = look_up::connection(dev, metadata, route) else {
        return false;
    };
    flow.set_output_device(info.link);
    look_up::bundle_of_connection(dev, route.into(), &flow, info.if_id)
        .is_ok_and(|found| xfrm::is_same_way(&found, known, rcu))
}
