// SPDX-License-Identifier: GPL-2.0

//! A cache: where a key is, and who is told to sweep.

use crate::{
    net::xfrm::MdInfo,
    xfrmi::{
        cache::{
            mix,
            Cache,
            Key,
            SETS, //
        },
        key::InfoKey, //
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

fn info_key(if_id: u32, link: c_int) -> InfoKey {
    InfoKey::new(MdInfo { if_id, link })
}

#[kunit_tests(xfrmi_cache)]
mod cases {
    use super::*;

    #[test]
    fn finds_what_was_put() -> Result {
        let cache = Numbers::new(1)?;
        let _ = cache.put(ONE, 11);
        assert_eq!(cache.get(&ONE, |value| Some(*value)), Some(11));
        assert_eq!(cache.get(&ONE, |_| None::<u64>), None);
        assert_eq!(cache.get(&Words([0, 1, 0]), |value| Some(*value)), None);
        Ok(())
    }

    /// Somebody is told to sweep when the first value is put, and then as long as any is left.
    #[test]
    fn who_is_told_to_sweep() -> Result {
        let cache = Numbers::new(1)?;
        assert!(cache.put(ONE, 11).is_first);
        assert!(!cache.put(Words([2, 0, 0]), 12).is_first);
        // One was used, the other one goes.
        assert!(cache.get(&ONE, |value| Some(*value)).is_some());
        assert!(cache.sweep(|_| true));
        assert!(!cache.put(Words([2, 0, 0]), 12).is_first);
        // Nothing was used since.
        assert!(!cache.sweep(|_| true));
        assert!(cache.put(ONE, 11).is_first);
        assert!(!cache.put(ONE, 11).is_first);
        Ok(())
    }

    #[test]
    fn forgets() -> Result {
        let cache = Numbers::new(1)?;
        let _ = cache.put(ONE, 11);
        let _ = cache.put(Words([2, 0, 0]), 12);
        assert!(cache.forget(|value| *value == 11));
        let seen = Cell::new(0);
        assert!(cache.forget(|value| {
            seen.set(seen.get() + *value);
            true
        }));
        assert_eq!(seen.get(), 12);
        assert!(!cache.sweep(|_| true));
        Ok(())
    }

    /// The hash spreads keys that differ in any one word, by little, over nearly all sets.
    #[test]
    fn sets_are_spread() -> Result {
        let cache = Numbers::new(SEED)?;
        for at in 0..3 {
            for shift in [0, 8, 16, 32, 48] {
                let mut seen = KVec::from_elem(false, SETS, GFP_KERNEL)?;
                for number in 0..4 * SETS as u64 {
                    let mut words = [5; 3];
                    if let Some(word) = words.get_mut(at) {
                        *word = number << shift;
                    }
                    if let Some(seen) = seen.get_mut(cache.set(&Words(words))) {
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
        let (one, other) = (Numbers::new(SEED)?, Numbers::new(SEED + 1)?);
        let same = (0..SETS as u64)
            .filter(|number| {
                let key = Words([*number, 0, 0]);
                one.set(&key) == other.set(&key)
            })
            .count();
        assert!(same < SETS / 8);
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
