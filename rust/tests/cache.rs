// SPDX-License-Identifier: GPL-2.0

//! A cache: where a key is, who is told to sweep, and how the table grows and shrinks.

use crate::{
    net::xfrm::MdInfo,
    xfrmi::{
        cache::{
            Cache,
            LEAST, //
        },
        hash::{
            mix,
            Key, //
        },
        key::InfoKey,
        sets::{
            Sets,
            WAYS, //
        }, //
    }, //
};

use core::cell::Cell;

use kernel::prelude::*;

#[derive(Clone, Copy, PartialEq)]
struct Words([u64; 3]);

impl Key for Words {
    fn hash(&self, seed: u64) -> u64 {
        let [a, b, c] = self.0;
        mix(mix(seed, a, b), c, 0)
    }
}

type Numbers = Cache<Words, u64>;

/// As random as those of the driver.
const SEED: u64 = 0x9b1f_3c6e_52d7_a804;

const ONE: Words = Words([1, 0, 0]);

/// A cache that may grow to so many sets.
fn up_to(sets: usize) -> Result<Numbers> {
    let of_one = (1..).find(|memory| Sets::<Words, u64>::fit_in(*memory) == 1);
    Numbers::new(SEED, sets * of_one.unwrap_or(0))
}

/// Sweeps all of the cache, and gives it another table if it wants one. Returns whether anything is
/// left.
fn round(cache: &Numbers) -> bool {
    cache.sweep(1, |_| true);
    let round = cache.end_round();
    if round.wants_resize {
        let _ = cache.resize();
    }
    round.is_left
}

/// Asks for `count` keys one after the other, and puts those that are not there. Returns how many
/// were.
fn turn(cache: &Numbers, count: u64) -> u64 {
    (0..count)
        .filter(|number| {
            let key = Words([*number, 0, 0]);
            if cache.get(&key, |value| Some(*value)) == Some(*number) {
                return true;
            }
            if cache.put(key, *number).wants_resize {
                assert!(cache.resize().is_some());
            }
            false
        })
        .count() as u64
}

fn info_key(if_id: u32, link: c_int) -> InfoKey {
    InfoKey::new(MdInfo { if_id, link })
}

#[kunit_tests(xfrmi_cache)]
mod cases {
    use super::*;

    #[test]
    fn finds_what_was_put() -> Result {
        let cache = Numbers::new(1, 0)?;
        let _ = cache.put(ONE, 11);
        assert_eq!(cache.get(&ONE, |value| Some(*value)), Some(11));
        assert_eq!(cache.get(&ONE, |_| None::<u64>), None);
        assert_eq!(cache.get(&Words([0, 1, 0]), |value| Some(*value)), None);
        Ok(())
    }

    /// Somebody is told to sweep when the first value is put, and then as long as any is left.
    #[test]
    fn who_is_told_to_sweep() -> Result {
        let cache = Numbers::new(1, 0)?;
        assert!(cache.put(ONE, 11).is_first);
        assert!(!cache.put(Words([2, 0, 0]), 12).is_first);
        assert!(cache.get(&ONE, |value| Some(*value)).is_some());
        assert!(round(&cache));
        assert!(!cache.put(Words([2, 0, 0]), 12).is_first);
        // It was put there since.
        assert!(round(&cache));
        assert!(!round(&cache));
        assert!(cache.put(ONE, 11).is_first);
        assert!(!cache.put(ONE, 11).is_first);
        Ok(())
    }

    /// Also in many parts a table is swept once a round.
    #[test]
    fn sweeps_in_parts() -> Result {
        let cache = Numbers::new(SEED, 0)?;
        turn(&cache, 64);
        turn(&cache, 64);
        for _ in 0..2 {
            for _ in 0..7 {
                cache.sweep(7, |_| true);
            }
            assert!(cache.end_round().is_left);
            assert_eq!(turn(&cache, 64), 64);
        }
        for _ in 0..14 {
            cache.sweep(7, |_| true);
        }
        assert!(cache.end_round().is_left);
        assert_eq!(turn(&cache, 64), 64);
        // What was left out is swept in the next round.
        for _ in 0..3 {
            cache.sweep(7, |_| false);
        }
        assert!(cache.end_round().is_left);
        cache.sweep(1, |_| false);
        assert!(!cache.end_round().is_left);
        Ok(())
    }

    /// A table in which keys come back in vain grows, up to its bound, and what was there stays.
    #[test]
    fn grows_with_use() -> Result {
        let cache = up_to(5 * LEAST)?;
        for turns in 0..100 {
            turn(&cache, 4096);
            if turns % 5 == 4 {
                assert!(round(&cache));
            }
        }
        assert_eq!(cache.count(), 5 * LEAST);
        // By chance 88 of 100 find room, and some are given up for others.
        assert!(turn(&cache, 4096) > 3400);
        Ok(())
    }

    /// Fewer keys than there is room for have what they need.
    #[test]
    fn grows_until_it_fits() -> Result {
        let cache = up_to(64 * LEAST)?;
        for _ in 0..100 {
            turn(&cache, 1024);
        }
        assert!(turn(&cache, 1024) > 1010);
        assert!(cache.count() <= 8 * LEAST);
        Ok(())
    }

    /// Keys that never come back make nothing grow, and leave what is used.
    #[test]
    fn flood() -> Result {
        let cache = up_to(64 * LEAST)?;
        let mut next = 1 << 32;
        let mut found = 0;
        for turns in 0..40 {
            // As many as there is room for, between two packets of each steady flow.
            for _ in 0..LEAST * WAYS {
                let _ = cache.put(Words([next, 0, 0]), next);
                next += 1;
            }
            found = turn(&cache, 64);
            if turns % 10 == 9 {
                assert!(round(&cache));
            }
        }
        assert_eq!(cache.count(), LEAST);
        assert!(found >= 60);
        Ok(())
    }

    #[test]
    fn shrinks_with_patience() -> Result {
        let cache = up_to(8 * LEAST)?;
        let rounds = |count| {
            for _ in 0..count {
                turn(&cache, 64);
                turn(&cache, 64);
                assert!(round(&cache));
            }
            cache.count() / LEAST
        };
        for _ in 0..100 {
            turn(&cache, 8192);
        }
        assert_eq!(rounds(6), 8);
        assert_eq!(rounds(6), 4);
        assert_eq!(turn(&cache, 64), 64);
        assert_eq!(rounds(20), 1);
        assert_eq!(turn(&cache, 64), 64);
        Ok(())
    }

    /// What is on its way to another table is not forgotten until it is there, and whoever forgets is
    /// told.
    #[test]
    fn forgets_what_is_moved() -> Result {
        let cache = up_to(8 * LEAST)?;
        let mut number = 0;
        while !cache.put(Words([number % 2000, 0, 0]), 11).wants_resize {
            number += 1;
        }
        let (before, mut entries) = cache.replace().ok_or(EINVAL)?;
        assert_eq!(before, LEAST);
        assert!(!cache.forget(|value| *value == 11));
        assert!(cache.move_some(&mut entries));
        assert!(!cache.forget(|value| *value == 11));
        // Nor is it given another one meanwhile.
        cache.sweep(1, |_| true);
        let round = cache.end_round();
        assert!(round.is_left && !round.wants_resize);
        while cache.move_some(&mut entries) {}
        assert!(cache.forget(|value| *value == 11));
        assert_eq!(cache.count(), 2 * LEAST);
        let left = (0..2000).filter(|number| {
            cache
                .get(&Words([*number, 0, 0]), |value| Some(*value))
                .is_some()
        });
        assert_eq!(left.count(), 0);
        Ok(())
    }

    #[test]
    fn shrinks_at_once_when_empty() -> Result {
        let cache = up_to(8 * LEAST)?;
        for _ in 0..100 {
            turn(&cache, 8192);
        }
        while round(&cache) {}
        assert_eq!(cache.count(), LEAST);
        Ok(())
    }

    #[test]
    fn forgets() -> Result {
        let cache = Numbers::new(1, 0)?;
        let _ = cache.put(ONE, 11);
        let _ = cache.put(Words([2, 0, 0]), 12);
        assert!(cache.forget(|value| *value == 11));
        let seen = Cell::new(0);
        assert!(cache.forget(|value| {
            seen.set(seen.get() + *value);
            true
        }));
        assert_eq!(seen.get(), 12);
        assert!(!round(&cache));
        Ok(())
    }

    /// The hash spreads keys that differ in any one word, by little, over nearly all sets.
    #[test]
    fn sets_are_spread() -> Result {
        let cache = Numbers::new(SEED, 0)?;
        for at in 0..3 {
            for shift in [0, 8, 16, 32, 48] {
                let mut seen = KVec::from_elem(false, LEAST, GFP_KERNEL)?;
                for number in 0..4 * LEAST as u64 {
                    let mut words = [5; 3];
                    if let Some(word) = words.get_mut(at) {
                        *word = number << shift;
                    }
                    if let Some(seen) = seen.get_mut(cache.hash(&Words(words)).set(LEAST)) {
                        *seen = true;
                    }
                }
                // By chance 251 are expected.
                assert!(seen.iter().filter(|seen| **seen).count() >= 192);
            }
        }
        Ok(())
    }

    /// Who does not know the seed does not know which keys share a set.
    #[test]
    fn sets_depend_on_seed() -> Result {
        let (one, other) = (Numbers::new(SEED, 0)?, Numbers::new(SEED + 1, 0)?);
        let same = (0..LEAST as u64)
            .filter(|number| {
                let key = Words([*number, 0, 0]);
                one.hash(&key).set(LEAST) == other.hash(&key).set(LEAST)
            })
            .count();
        assert!(same < LEAST / 8);
        Ok(())
    }

    #[test]
    fn metadata_keys() {
        assert!(info_key(7, 3) == info_key(7, 3));
        assert!(info_key(7, 3) != info_key(8, 3));
        assert!(info_key(7, 3) != info_key(7, 4));
        assert!(info_key(7, 3) != info_key(3, 7));
        assert!(info_key(u32::MAX, 0) != info_key(0, -1));
    }
}
