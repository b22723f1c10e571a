// SPDX-License-Identifier: GPL-2.0

//! A table that forgets: sets with room for a few entries each, in one of which a key belongs.
//!
//! What is used stays; what is new gives way to what is newer until it is used once. A set whose
//! entries have all been used since the sweep before the last takes in nobody who comes once, so a
//! flood of keys that never come back pushes out nothing. Whoever comes back is let in: a set
//! remembers a hash of one key that found no room, or lost it again, until the second sweep after
//! that (a *ghost*). How many sets see theirs again tells that the table is too small.
//!
//! A table has no lock of its own. It is made in process context; the rest works in any context.
//!
//! # Examples
//!
//! ```
//! use crate::xfrmi::{
//!     hash::{
//!         Hash,
//!         Key, //
//!     },
//!     sets::Sets, //
//! };
//!
//! #[derive(Clone, Copy, PartialEq)]
//! struct Number(u64);
//!
//! impl Key for Number {
//!     fn hash(&self, seed: u64) -> u64 {
//!         seed ^ self.0
//!     }
//! }
//!
//! let hash = |number: u64| Hash::new(Number(number).hash(7));
//! let mut table = Sets::new(256)?;
//! table.put(hash(1), Number(1), "one");
//! assert_eq!(table.get(hash(1), &Number(1)), Some(&"one"));
//! // It has been used; the sweeps after that find that it was not used again.
//! table.sweep(0..256, |_| true);
//! table.sweep(0..256, |_| true);
//! assert!(table.get(hash(1), &Number(1)).is_none());
//! ```

use super::hash::{
    Hash,
    Key, //
};

use core::ops::Range;

use kernel::{
    alloc::flags::__GFP_NOWARN,
    prelude::*, //
};

/// How many entries a set has room for.
pub(crate) const WAYS: usize = 4;

/// How many sets the largest table has, however much memory it may take.
const MOST: usize = 1 << 20;

/// When an entry was used. What comes first gives way first.
#[derive(Clone, Copy, PartialEq)]
enum Use {
    /// Never: it was put there before the last sweep.
    Never,
    /// Not yet: it was put there since the last sweep.
    NotYet,
    /// Before the last sweep.
    Earlier,
    /// Since the last sweep.
    Recent,
}

/// What is known for one key.
pub(crate) struct Entry<K, V> {
    /// What it is known by.
    key: K,
    /// What is known.
    value: V,
    /// The ghost that it leaves: a part of its key's hash.
    ghost: u32,
    /// When it was used.
    used: Use,
}

impl<K, V> Entry<K, V> {
    /// What it is known by.
    pub(crate) fn key(&self) -> &K {
        &self.key
    }
}

/// A set.
pub(crate) struct Set<K, V> {
    /// The entries.
    ways: [Option<Entry<K, V>>; WAYS],
    /// The ghost of a key, 0 for none, or [`CAME_BACK`]. It is even if it was there at the last
    /// sweep.
    ghost: u32,
}

/// Instead of a ghost: its key has come back since the last sweep.
const CAME_BACK: u32 = 2;

impl<K: Key, V> Set<K, V> {
    /// Leaves the ghost of a key for which there is no room, unless there is one.
    fn haunt(&mut self, ghost: u32) {
        if self.ghost == 0 {
            self.ghost = ghost;
        }
    }

    /// The first way of which `is` says yes, from the way `first` on.
    fn way(&self, first: usize, is: impl Fn(&Option<Entry<K, V>>) -> bool) -> Option<usize> {
        (first..first + WAYS)
            .map(|way| way % WAYS)
            .find(|way| self.ways.get(*way).is_some_and(&is))
    }

    /// The first way whose entry was used so, from the way `first` on.
    fn way_used(&self, first: usize, used: Use) -> Option<usize> {
        self.way(first, |way| {
            way.as_ref().is_some_and(|entry| entry.used == used)
        })
    }
}

/// What has come of putting something into a table.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Placed {
    /// It is there.
    Added,
    /// It is there, and what was known for another key is not any more.
    Evicted,
    /// It is not there, since all entries that it could take the place of are in use.
    Refused,
}

/// A table.
pub(crate) struct Sets<K, V> {
    /// The sets.
    sets: KVVec<Set<K, V>>,
    /// How many sets have seen a key come back since [`Self::take_load`].
    crowded: usize,
    /// How many entries were kept for their use since the sweep of the first set.
    kept: usize,
    /// Whether nothing was put there or kept since then.
    empty: bool,
}

impl<K: Key, V> Sets<K, V> {
    /// Makes an empty table of so many sets. Fails with `ENOMEM`; may sleep.
    pub(crate) fn new(count: usize) -> Result<Self> {
        let count = count.min(MOST);
        let mut sets = KVVec::with_capacity(count, GFP_KERNEL | __GFP_NOWARN)?;
        for _ in 0..count {
            let set = Set {
                ways: [const { None }; WAYS],
                ghost: 0,
            };
            sets.push(set, GFP_KERNEL)?;
        }
        Ok(Self {
            sets,
            crowded: 0,
            kept: 0,
            empty: true,
        })
    }

    /// How many sets there are.
    pub(crate) fn count(&self) -> usize {
        self.sets.len()
    }

    /// How many sets a table may have that takes so many bytes.
    pub(crate) fn fit_in(memory: usize) -> usize {
        MOST.min(memory / size_of::<Set<K, V>>())
    }

    /// What is known for `key`, which has this hash. It counts as used.
    #[inline]
    pub(crate) fn get(&mut self, hash: Hash, key: &K) -> Option<&V> {
        let set = hash.set(self.sets.len());
        let entry = self
            .sets
            .get_mut(set)?
            .ways
            .iter_mut()
            .flatten()
            .find(|entry| entry.key == *key)?;
        entry.used = Use::Recent;
        Some(&entry.value)
    }

    /// Remembers `value` for `key`, which has this hash, if there is room.
    pub(crate) fn put(&mut self, hash: Hash, key: K, value: V) -> Placed {
        let entry = Entry {
            key,
            value,
            ghost: hash.tag(),
            used: Use::NotYet,
        };
        self.put_entry(hash, entry)
    }

    /// Puts an entry, perhaps of another table, there, if there is room for it: where what is known
    /// for the same key is, else where nothing is, else where one is that was never used. If it
    /// comes back, it may also take the place of one that is used.
    pub(crate) fn put_entry(&mut self, hash: Hash, mut entry: Entry<K, V>) -> Placed {
        let set = hash.set(self.sets.len());
        let Some(set) = self.sets.get_mut(set) else {
            return Placed::Refused;
        };
        // Any way may be the first, so that no order in which keys come has all of them give way to
        // each other.
        let (key, first) = (entry.key, hash.one_of(WAYS));
        let same = set.way(0, |way| way.as_ref().is_some_and(|entry| entry.key == key));
        let mut way = same.or_else(|| set.way(0, Option::is_none));
        if same.is_some() {
            entry.used = Use::Recent;
        } else if way.is_none() {
            way = set
                .way_used(first, Use::Never)
                .or_else(|| set.way_used(first, Use::NotYet));
            if set.ghost | 1 == entry.ghost {
                set.ghost = CAME_BACK;
                self.crowded = self.crowded.saturating_add(1);
                entry.used = Use::Recent;
                way = way
                    .or_else(|| set.way_used(first, Use::Earlier))
                    .or(Some(first));
            }
        }
        let Some(way) = way.and_then(|way| set.ways.get_mut(way)) else {
            set.haunt(entry.ghost);
            return Placed::Refused;
        };
        let old = way.replace(entry).filter(|old| old.key != key);
        self.empty = false;
        let Some(old) = old else {
            return Placed::Added;
        };
        set.haunt(old.ghost);
        Placed::Evicted
    }

    /// Whether more keys than there is room for are in use: of 64 sets, more than one has seen a
    /// key come back.
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded > self.count() / 64
    }

    /// In these sets, forgets what was neither put there nor used since the last sweep, and what
    /// `keep` says no to. The first set is to be swept before the others.
    pub(crate) fn sweep(&mut self, sets: Range<usize>, keep: impl Fn(&V) -> bool) {
        if sets.start == 0 {
            (self.kept, self.empty) = (0, true);
        }
        for set in self.sets.get_mut(sets).into_iter().flatten() {
            // It goes with the second sweep, as an entry does.
            set.ghost = if set.ghost % 2 == 1 { set.ghost - 1 } else { 0 };
            for way in &mut set.ways {
                let Some(entry) = way else {
                    continue;
                };
                entry.used = match entry.used {
                    Use::NotYet if keep(&entry.value) => Use::Never,
                    Use::Recent if keep(&entry.value) => {
                        self.kept = self.kept.saturating_add(1);
                        Use::Earlier
                    }
                    _ => {
                        *way = None;
                        continue;
                    }
                };
                self.empty = false;
            }
        }
    }

    /// Returns how much was in use, after all sets were swept.
    pub(crate) fn take_load(&mut self) -> Load {
        self.crowded = 0;
        Load {
            kept: self.kept,
            is_empty: self.empty,
        }
    }

    /// Forgets what `gone` says yes to.
    pub(crate) fn forget(&mut self, gone: impl Fn(&V) -> bool) {
        for way in self.sets.iter_mut().flat_map(|set| &mut set.ways) {
            if way.as_ref().is_some_and(|entry| gone(&entry.value)) {
                *way = None;
            }
        }
    }

    /// The entries, one after the other.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = Entry<K, V>> {
        self.sets.into_iter().flat_map(|set| set.ways).flatten()
    }
}

/// How much of a table was in use when all of it was swept.
pub(crate) struct Load {
    /// How many entries were kept for their use.
    pub(crate) kept: usize,
    /// Whether none was kept, nor put there behind the sweep.
    pub(crate) is_empty: bool,
}
