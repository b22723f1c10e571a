// SPDX-License-Identifier: GPL-2.0

//! What was found for packets of a CPU before: a table of a fixed size that forgets.
//!
//! A table is a number of sets, each with room for a few entries. A hash of the key chooses the
//! set. What has not been used since the last sweep gives way to what is new, and the next sweep
//! forgets it. So no entry, and nothing that it refers to, is held for long after the last packet
//! that used it.
//!
//! Nobody waits for a table: while another CPU sweeps it, a packet goes as if nothing were known.
//!
//! Tables are made in process context. They are used with softirqs disabled and never sleep;
//! [`Cache::forget`] may also be called with softirqs enabled.
//!
//! # Examples
//!
//! A cache for values that are known by two words:
//!
//! ```
//! use crate::xfrmi::cache::{
//!     mix,
//!     Cache,
//!     Key, //
//! };
//!
//! #[derive(Clone, Copy, PartialEq)]
//! struct Words(u64, u64);
//!
//! impl Key for Words {
//!     fn hash(&self, seed: u64) -> u64 {
//!         mix(seed, self.0, self.1)
//!     }
//! }
//!
//! let cache = Cache::new(crate::net::random_u64())?;
//! // Whoever puts the first value there has it swept from now and then.
//! assert!(cache.put(Words(1, 2), 7).is_first);
//! assert_eq!(cache.get(&Words(1, 2), |value| Some(*value)), Some(7));
//! assert_eq!(cache.get(&Words(2, 1), |value| Some(*value)), None);
//! // It has been used since the last sweep (there was none), but not since this one.
//! assert!(cache.sweep(|_| true));
//! assert!(!cache.sweep(|_| true));
//! assert_eq!(cache.get(&Words(1, 2), |value| Some(*value)), None);
//! ```

use crate::net::{
    hash::hash_64,
    try_lock::TryLock, //
};

use kernel::{
    prelude::*,
    sync::atomic::{
        AtomicFlag,
        Relaxed, //
    }, //
};

/// How many entries a set has room for.
pub(crate) const WAYS: usize = 4;

/// How many sets a table has; a power of two.
pub(crate) const SETS: usize = 256;

/// What is known for one key.
struct Entry<K, V> {
    /// What it is known by.
    key: K,
    /// What is known.
    value: V,
    /// Whether it was used since the last sweep.
    used: bool,
}

/// What a value is known by.
pub(crate) trait Key: Copy + PartialEq + Send {
    /// A hash of the key that nobody can tell who does not know `seed`; see [`mix`].
    fn hash(&self, seed: u64) -> u64;
}

/// Adds two words to a hash, which at first is the seed.
///
/// It is a multiplication, both halves of which count, as in wyhash and its kin. Whoever does not
/// know the seed knows neither factor.
///
/// The kernel has siphash for keys that somebody may choose. By its rounds, that would take some
/// 200 instructions more for each packet. Nothing here depends on its strength: keys are compared,
/// whatever their hash, so whoever guesses the seed can have others' bundles looked up again, and
/// no more.
#[inline]
pub(crate) fn mix(hash: u64, a: u64, b: u64) -> u64 {
    let product = u128::from(hash ^ a) * u128::from(hash.rotate_left(32) ^ b);
    // CAST: The halves are wanted.
    product as u64 ^ (product >> 64) as u64
}

/// A table: [`SETS`] sets of [`WAYS`] entries.
pub(crate) struct Sets<K, V> {
    /// The sets.
    sets: KVVec<[Option<Entry<K, V>>; WAYS]>,
    /// Whether nothing was put there since a sweep left nothing.
    empty: bool,
}

impl<K: Key, V> Sets<K, V> {
    /// Makes an empty table. Fails with `ENOMEM`; may sleep.
    pub(crate) fn new() -> Result<Self> {
        let mut sets = KVVec::with_capacity(SETS, GFP_KERNEL)?;
        for _ in 0..SETS {
            sets.push([const { None }; WAYS], GFP_KERNEL)?;
        }
        Ok(Self { sets, empty: true })
    }

    /// What is known for `key`, which belongs into this set. It counts as used.
    pub(crate) fn get(&mut self, set: usize, key: &K) -> Option<&V> {
        let entry = self
            .sets
            .get_mut(set)?
            .iter_mut()
            .flatten()
            .find(|entry| entry.key == *key)?;
        entry.used = true;
        Some(&entry.value)
    }

    /// Remembers `value` for `key`, which belongs into this set. Where the set is full, another
    /// entry gives way: one that is not in use if there is one, else the first. Returns whether one
    /// did.
    pub(crate) fn put(&mut self, set: usize, key: K, value: V) -> bool {
        let Some(set) = self.sets.get_mut(set) else {
            return false;
        };
        // The entry with the same key, else free room, else an entry that was not used, else the
        // first one.
        let same = |way: &Option<Entry<K, V>>| way.as_ref().is_some_and(|entry| entry.key == key);
        let idle = |way: &Option<Entry<K, V>>| !way.as_ref().is_some_and(|entry| entry.used);
        let at = set
            .iter()
            .position(same)
            .or_else(|| set.iter().position(Option::is_none))
            .or_else(|| set.iter().position(idle))
            .unwrap_or(0);
        let Some(way) = set.get_mut(at) else {
            return false;
        };
        let old = way.replace(Entry {
            key,
            value,
            used: false,
        });
        self.empty = false;
        old.is_some_and(|old| old.key != key)
    }

    /// Forgets what was not used since the last sweep, and what `keep` says no to.
    pub(crate) fn sweep(&mut self, keep: impl Fn(&V) -> bool) {
        if self.empty {
            return;
        }
        self.empty = true;
        for way in self.sets.iter_mut().flatten() {
            let Some(entry) = way else {
                continue;
            };
            if core::mem::take(&mut entry.used) && keep(&entry.value) {
                self.empty = false;
                continue;
            }
            *way = None;
        }
    }

    /// Forgets what `gone` says yes to.
    pub(crate) fn forget(&mut self, gone: impl Fn(&V) -> bool) {
        for way in self.sets.iter_mut().flatten() {
            if way.as_ref().is_some_and(|entry| gone(&entry.value)) {
                *way = None;
            }
        }
    }
}

/// What has come of putting something into a cache.
#[derive(Default)]
#[must_use = "somebody has to sweep"]
pub(crate) struct Put {
    /// Whether nothing was in the cache before, so that a sweep is due in a while.
    pub(crate) is_first: bool,
    /// Whether what was known for another key gave way.
    pub(crate) has_evicted: bool,
}

/// A cache from `K` to `V`, for one CPU.
pub(crate) struct Cache<K: Key, V: Send> {
    /// The table. Whoever does not get the lock does without.
    table: TryLock<Sets<K, V>>,
    /// The seed of the hash.
    seed: u64,
    /// Whether anything may be in it.
    in_use: AtomicFlag,
}

impl<K: Key, V: Send> Cache<K, V> {
    /// Makes an empty cache, whose hash depends on `seed`. Fails with `ENOMEM`; may sleep.
    pub(crate) fn new(seed: u64) -> Result<Self> {
        Ok(Self {
            table: TryLock::new(Sets::new()?),
            seed,
            in_use: AtomicFlag::new(false),
        })
    }

    /// The set into which `key` belongs.
    pub(crate) fn set(&self, key: &K) -> usize {
        // A product of two unknown factors is even more often than odd, so its low bits are poor.
        // This multiplies by a last factor that is known, and odd.
        let hash = hash_64::<{ SETS.ilog2() }>(key.hash(self.seed));
        // CAST: The hash is small.
        hash as usize % SETS
    }

    /// What `take` makes of what is known for `key`; `None` if nothing is known, or the table is in
    /// use. Softirqs have to be disabled.
    pub(crate) fn get<R>(&self, key: &K, take: impl FnOnce(&V) -> Option<R>) -> Option<R> {
        self.table
            .try_lock()?
            .get(self.set(key), key)
            .and_then(take)
    }

    /// Remembers `value` for `key`, unless the table is in use. Softirqs have to be disabled.
    pub(crate) fn put(&self, key: K, value: V) -> Put {
        let Some(mut table) = self.table.try_lock() else {
            return Put::default();
        };
        let has_evicted = table.put(self.set(&key), key, value);
        drop(table);
        Put {
            is_first: !self.in_use.load(Relaxed) && !self.in_use.xchg(true, Relaxed),
            has_evicted,
        }
    }

    /// Forgets what was not used since the last sweep, and what `keep` says no to. In softirq
    /// context.
    ///
    /// Returns whether anything is left, so that the next sweep is due.
    #[must_use = "somebody has to sweep again"]
    pub(crate) fn sweep(&self, keep: impl Fn(&V) -> bool) -> bool {
        self.in_use.store(false, Relaxed);
        let left = match self.table.try_lock() {
            Some(mut table) => {
                table.sweep(keep);
                !table.empty
            }
            None => true,
        };
        left && !self.in_use.xchg(true, Relaxed)
    }

    /// Forgets what `gone` says yes to. In any context.
    ///
    /// Returns whether it is all forgotten. If not, the table was in use, and this has to be done
    /// again.
    #[must_use = "it may have to be done again"]
    pub(crate) fn forget(&self, gone: impl Fn(&V) -> bool) -> bool {
        let Some(mut table) = self.table.try_lock() else {
            return false;
        };
        table.forget(gone);
        true
    }
}
