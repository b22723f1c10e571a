// SPDX-License-Identifier: GPL-2.0

//! What was found for packets of a CPU before: a table that forgets, and that grows with its use.
//!
//! What has been used stays; what has been neither put there nor used since the last sweep is
//! forgotten with the next ([`sets`](super::sets)). So no entry, and nothing that it refers to, is
//! held for long after the last packet that used it.
//!
//! A table that is too small for what is in use is replaced by one that is twice as large, up to a
//! bound; one that is hardly used any more by one of half the size, and one that nobody uses by the
//! least. Packets never wait for that, nor allocate: whoever puts or sweeps is told that it is due,
//! and has process context call [`Cache::resize`].
//!
//! Nobody waits for a table: while another CPU sweeps it, a packet goes as if nothing were known.
//!
//! Tables are made and replaced in process context. They are used with softirqs disabled and never
//! sleep; [`Cache::forget`] may also be called with softirqs enabled.
//!
//! # Examples
//!
//! A cache for values that are known by two words:
//!
//! ```
//! use crate::xfrmi::{
//!     cache::Cache,
//!     hash::{
//!         mix,
//!         Key, //
//!     }, //
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
//! let cache = Cache::new(crate::net::random_u64(), 1 << 20)?;
//! // Whoever puts the first value there has it swept from now and then.
//! assert!(cache.put(Words(1, 2), 7).is_first);
//! assert_eq!(cache.get(&Words(1, 2), |value| Some(*value)), Some(7));
//! assert_eq!(cache.get(&Words(2, 1), |value| Some(*value)), None);
//! // It has been used since the last sweep (there was none), but not since this one.
//! cache.sweep(1, |_| true);
//! assert!(cache.end_round().is_left);
//! cache.sweep(1, |_| true);
//! assert!(!cache.end_round().is_left);
//! assert_eq!(cache.get(&Words(1, 2), |value| Some(*value)), None);
//! ```

use super::{
    hash::{
        Hash,
        Key, //
    },
    sets::{
        Entry,
        Placed,
        Sets,
        WAYS, //
    }, //
};

use crate::net::try_lock::{
    TryGuard,
    TryLock, //
};

use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        AtomicFlag,
        Relaxed, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

/// How many sets the least table has, with which each cache begins.
pub(crate) const LEAST: usize = 256;

/// How many rounds of sweeps find that a table of half the size would do before there is one.
const PATIENCE: u32 = 8;

/// How many entries are moved to another table while packets do without.
const STEP: usize = 64;

/// What has come of putting something into a cache.
#[derive(Default)]
#[must_use = "somebody has to sweep"]
pub(crate) struct Put {
    /// Whether nothing was in the cache before, so that a sweep is due in a while.
    pub(crate) is_first: bool,
    /// Whether [`Cache::resize`] is due.
    pub(crate) wants_resize: bool,
    /// What has become of it; `None` if the table is in use.
    pub(crate) placed: Option<Placed>,
}

/// What a round of sweeps has come to.
#[must_use = "somebody has to sweep again"]
pub(crate) struct Round {
    /// Whether anything is left, so that the next round is due.
    pub(crate) is_left: bool,
    /// Whether [`Cache::resize`] is due.
    pub(crate) wants_resize: bool,
}

/// What the lock of a cache is for.
struct Table<K, V> {
    /// The entries.
    sets: Sets<K, V>,
    /// How many sets have been swept in this round.
    swept: usize,
    /// How many rounds one after the other a table of half the size would have done.
    quiet: u32,
    /// Whether some entries are on their way from another table.
    is_moving: bool,
}

impl<K: Key, V> Table<K, V> {
    /// How many sets the table should have, other than it has, after a round in which `kept` entries
    /// were kept; `None` if there is nothing in it.
    fn fitting(&mut self, kept: Option<usize>) -> Option<usize> {
        let count = self.sets.count();
        let Some(kept) = kept else {
            self.quiet = 0;
            return (count > LEAST).then_some(LEAST);
        };
        if kept >= count.saturating_mul(WAYS) / 8 {
            self.quiet = 0;
            return None;
        }
        self.quiet = self.quiet.saturating_add(1);
        if self.quiet < PATIENCE || count == LEAST {
            return None;
        }
        self.quiet = 0;
        Some(LEAST.max(count / 2))
    }
}

/// A cache from `K` to `V`, for one CPU.
pub(crate) struct Cache<K: Key, V: Send> {
    /// The table. Whoever does not get the lock does without.
    table: TryLock<Table<K, V>>,
    /// The seed of the hash.
    seed: u64,
    /// How many sets the table may have.
    most: usize,
    /// How many sets it is to have; 0: as many as it has.
    wanted: Atomic<usize>,
    /// How many sets it has.
    count: Atomic<usize>,
    /// Whether anything may be in it.
    in_use: AtomicFlag,
}

impl<K: Key, V: Send> Cache<K, V> {
    /// Makes an empty cache, whose hash depends on `seed`, and whose table may grow to so many bytes
    /// of `memory`. Fails with `ENOMEM`; may sleep.
    pub(crate) fn new(seed: u64, memory: usize) -> Result<Self> {
        Ok(Self {
            table: TryLock::new(Table {
                sets: Sets::new(LEAST)?,
                swept: 0,
                quiet: 0,
                is_moving: false,
            }),
            seed,
            most: Sets::<K, V>::fit_in(memory).max(LEAST),
            wanted: Atomic::new(0),
            count: Atomic::new(LEAST),
            in_use: AtomicFlag::new(false),
        })
    }

    /// The hash of `key`.
    #[inline]
    pub(crate) fn hash(&self, key: &K) -> Hash {
        Hash::new(key.hash(self.seed))
    }

    /// How many sets the table has.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// What `take` makes of what is known for `key`; `None` if nothing is known, or the table is in
    /// use. Softirqs have to be disabled.
    #[inline]
    pub(crate) fn get<R>(&self, key: &K, take: impl FnOnce(&V) -> Option<R>) -> Option<R> {
        self.table
            .try_lock()?
            .sets
            .get(self.hash(key), key)
            .and_then(take)
    }

    /// Remembers `value` for `key`, if there is room, unless the table is in use. Softirqs have to
    /// be disabled.
    pub(crate) fn put(&self, key: K, value: V) -> Put {
        let Some(mut table) = self.table.try_lock() else {
            return Put::default();
        };
        let placed = table.sets.put(self.hash(&key), key, value);
        let count = table.sets.count();
        let wants_resize = table.sets.is_crowded()
            && count < self.most
            && !table.is_moving
            && self.wanted.load(Relaxed) == 0;
        if wants_resize {
            self.wanted
                .store(self.most.min(count.saturating_mul(2)), Relaxed);
        }
        drop(table);
        Put {
            is_first: !self.in_use.load(Relaxed) && !self.in_use.xchg(true, Relaxed),
            wants_resize,
            placed: Some(placed),
        }
    }

    /// Sweeps the next one of `parts` parts of the table: forgets what was neither put there nor used
    /// since it was swept last, and what `keep` says no to. In softirq context.
    pub(crate) fn sweep(&self, parts: usize, keep: impl Fn(&V) -> bool) {
        let Some(mut table) = self.table.try_lock() else {
            return;
        };
        let from = table.swept;
        let count = table.sets.count();
        let size = count.checked_div(parts).unwrap_or(count).saturating_add(1);
        table.swept = from.saturating_add(size).min(count);
        let part = from..table.swept;
        table.sets.sweep(part, keep);
    }

    /// Ends a round of sweeps, after all parts. In softirq context.
    pub(crate) fn end_round(&self) -> Round {
        self.in_use.store(false, Relaxed);
        let (mut left, mut wants_resize) = (true, false);
        if let Some(mut table) = self.table.try_lock().filter(|table| !table.is_moving) {
            let load = table.sets.take_load();
            // What was in use when it should have been swept is swept in the next round.
            left = !load.is_empty || table.swept < table.sets.count();
            table.swept = 0;
            let fitting = table.fitting(left.then_some(load.kept));
            wants_resize = fitting.is_some();
            self.wanted.store(fitting.unwrap_or(0), Relaxed);
        }
        Round {
            is_left: left && !self.in_use.xchg(true, Relaxed),
            wants_resize,
        }
    }

    /// Gives the cache a table of the size that is wanted, with all that fits into it; nothing is
    /// done where there is no memory. Packets find what was moved, one by one. Returns how many sets
    /// there were and are, if that has changed. In process context; sleeps.
    pub(crate) fn resize(&self) -> Option<(usize, usize)> {
        let (before, mut entries) = self.replace()?;
        while self.move_some(&mut entries) {}
        Some((before, self.count()))
    }

    /// Replaces the table by an empty one of the size that is wanted. Returns how many sets there
    /// were, and the entries, with which [`Self::move_some`] has to be called until all are moved.
    pub(crate) fn replace(&self) -> Option<(usize, impl Iterator<Item = Entry<K, V>>)> {
        let count = self.wanted.load(Relaxed);
        if count == 0 || count == self.count() {
            return None;
        }
        // Without memory it stays wanted, and is not asked for again, until the round ends.
        let sets = Sets::new(count).ok()?;
        let mut table = self.lock();
        table.is_moving = true;
        table.swept = 0;
        let old = core::mem::replace(&mut table.sets, sets);
        self.count.store(count, Relaxed);
        drop(table);
        Some((old.count(), old.into_entries()))
    }

    /// Puts some of the entries of another table into this one. Returns whether there may be more.
    pub(crate) fn move_some(&self, entries: &mut impl Iterator<Item = Entry<K, V>>) -> bool {
        let mut table = self.lock();
        for _ in 0..STEP {
            let Some(entry) = entries.next() else {
                table.is_moving = false;
                self.wanted.store(0, Relaxed);
                return false;
            };
            let _ = table.sets.put_entry(self.hash(entry.key()), entry);
        }
        true
    }

    /// Waits for the table. In process context; sleeps.
    fn lock(&self) -> TryGuard<'_, Table<K, V>> {
        loop {
            if let Some(table) = self.table.try_lock() {
                return table;
            }
            fsleep(Delta::from_millis(1));
        }
    }

    /// Forgets what `gone` says yes to. In any context.
    ///
    /// Returns whether it is all forgotten. If not, the table was in use, or some entries are on their
    /// way to another one, and this has to be done again.
    #[must_use = "it may have to be done again"]
    pub(crate) fn forget(&self, gone: impl Fn(&V) -> bool) -> bool {
        let Some(mut table) = self.table.try_lock() else {
            return false;
        };
        table.sets.forget(gone);
        !table.is_moving
    }
}
