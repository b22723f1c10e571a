// SPDX-License-Identifier: GPL-2.0

//! A table that forgets: which entry gives way, who is let in, and when one is forgotten.

use crate::xfrmi::{
    hash::{
        Hash,
        Key, //
    },
    sets::{
        Placed,
        Sets,
        WAYS, //
    }, //
};

use core::cell::Cell;

use kernel::prelude::*;

#[derive(Clone, Copy, PartialEq)]
struct Number(u64);

impl Key for Number {
    fn hash(&self, seed: u64) -> u64 {
        seed ^ self.0
    }
}

/// How many sets the tables have; no power of two.
const COUNT: usize = 200;

type Numbers = Sets<Number, u64>;

fn hash(number: u64) -> Hash {
    Hash::new(Number(number).hash(0x5ca1_ab1e))
}

/// The key with this index among those that belong in set `set`.
fn key_in(set: usize, index: usize) -> u64 {
    (0..1 << 20)
        .filter(|number| hash(*number).set(COUNT) == set)
        .nth(index)
        .unwrap_or(0)
}

/// Ten keys of one set, in a table whose other sets are empty.
struct Crowd {
    table: Numbers,
    keys: [u64; 10],
}

impl Crowd {
    /// A full set: the first [`WAYS`] keys, with values that are their indices.
    fn new() -> Result<Self> {
        let mut this = Self {
            table: Sets::new(COUNT)?,
            keys: core::array::from_fn(|index| key_in(7, index)),
        };
        for index in 0..WAYS {
            assert_eq!(this.put(index), Placed::Added);
        }
        Ok(this)
    }

    fn key(&self, index: usize) -> u64 {
        self.keys.get(index).copied().unwrap_or(0)
    }

    fn put(&mut self, index: usize) -> Placed {
        let key = self.key(index);
        self.table.put(hash(key), Number(key), index as u64)
    }

    fn get(&mut self, index: usize) -> Option<u64> {
        let key = self.key(index);
        self.table.get(hash(key), &Number(key)).copied()
    }

    fn sweep(&mut self) {
        self.table.sweep(0..COUNT, |_| true);
    }

    /// Which of the keys are there, as bits. Uses them all.
    fn present(&mut self) -> u32 {
        (0..10)
            .filter(|index| self.get(*index).is_some())
            .fold(0, |bits, index| bits | 1 << index)
    }
}

/// A value that counts how often one is dropped.
struct Counted<'a>(&'a Cell<u32>);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[kunit_tests(xfrmi_sets)]
mod cases {
    use super::*;

    #[test]
    fn finds_what_was_put() -> Result {
        let mut crowd = Crowd::new()?;
        assert!((0..WAYS).all(|index| crowd.get(index) == Some(index as u64)));
        assert!(crowd.get(9).is_none());
        let elsewhere = key_in(8, 0);
        assert!(crowd
            .table
            .get(hash(elsewhere), &Number(elsewhere))
            .is_none());
        Ok(())
    }

    #[test]
    fn same_key_is_replaced() -> Result {
        let mut crowd = Crowd::new()?;
        let key = crowd.key(2);
        assert_eq!(crowd.table.put(hash(key), Number(key), 99), Placed::Added);
        assert_eq!(crowd.get(2), Some(99));
        assert_eq!(crowd.present(), 0b1111);
        Ok(())
    }

    #[test]
    fn unused_gives_way() -> Result {
        let mut crowd = Crowd::new()?;
        for used in [0, 1, 3] {
            crowd.get(used);
        }
        assert_eq!(crowd.put(9), Placed::Evicted);
        assert_eq!(crowd.present(), 0b10_0000_1011);
        Ok(())
    }

    #[test]
    fn free_room_before_unused() -> Result {
        let mut crowd = Crowd::new()?;
        crowd.table.forget(|value| *value == 2);
        assert_eq!(crowd.put(9), Placed::Added);
        assert_eq!(crowd.present(), 0b10_0000_1011);
        Ok(())
    }

    /// Who comes once does not get in where all are in use, also when they were not used again after
    /// the sweep yet.
    #[test]
    fn flood_pushes_out_nothing() -> Result {
        let mut crowd = Crowd::new()?;
        assert_eq!(crowd.present(), 0b1111);
        for _ in 0..3 {
            for index in 4..10 {
                crowd.sweep();
                crowd.present();
                assert_eq!(crowd.put(index), Placed::Refused);
            }
        }
        crowd.sweep();
        for index in 4..10 {
            assert_eq!(crowd.put(index), Placed::Refused);
        }
        assert_eq!(crowd.present(), 0b1111);
        assert!(!crowd.table.is_crowded());
        Ok(())
    }

    /// Who comes back before the next sweep takes the place of one that was not used since the last,
    /// else of any.
    #[test]
    fn who_comes_back_gets_in() -> Result {
        let mut crowd = Crowd::new()?;
        assert_eq!(crowd.present(), 0b1111);
        assert_eq!(crowd.put(9), Placed::Refused);
        assert_eq!(crowd.put(8), Placed::Refused);
        assert_eq!(crowd.put(8), Placed::Refused);
        assert_eq!(crowd.put(9), Placed::Evicted);
        let present = crowd.present();
        assert!(present & 1 << 9 != 0 && present.count_ones() == 4);
        // One key in a round.
        assert_eq!(crowd.put(8), Placed::Refused);
        assert_eq!(crowd.put(8), Placed::Refused);

        crowd.sweep();
        let unused = (0..4).find(|index| present & 1 << index != 0).unwrap_or(0);
        for used in (0..10).filter(|index| *index != unused) {
            crowd.get(used);
        }
        assert_eq!(crowd.put(8), Placed::Refused);
        assert_eq!(crowd.put(8), Placed::Evicted);
        assert_eq!(crowd.present(), present & !(1 << unused) | 1 << 8);
        Ok(())
    }

    /// Who comes back does not have to prove itself once more.
    #[test]
    fn who_comes_back_stays() -> Result {
        let mut crowd = Crowd::new()?;
        for used in [0, 1, 2] {
            crowd.get(used);
        }
        // 3 gives way to 9, and that to 3 again.
        assert_eq!(crowd.put(9), Placed::Evicted);
        assert_eq!(crowd.put(3), Placed::Evicted);
        assert_eq!(crowd.put(8), Placed::Refused);
        assert_eq!(crowd.present(), 0b1111);
        Ok(())
    }

    /// Also who comes less often than a sweep does, by little.
    #[test]
    fn who_is_slow_gets_in() -> Result {
        let mut crowd = Crowd::new()?;
        crowd.sweep();
        assert_eq!(crowd.present(), 0b1111);
        assert_eq!(crowd.put(9), Placed::Refused);
        crowd.sweep();
        crowd.present();
        assert_eq!(crowd.put(9), Placed::Evicted);
        crowd.sweep();
        crowd.sweep();
        crowd.sweep();
        assert_eq!(crowd.present(), 0);
        for index in 0..WAYS {
            crowd.put(index);
        }
        assert_eq!(crowd.present(), 0b1111);
        assert_eq!(crowd.put(9), Placed::Refused);
        crowd.sweep();
        crowd.present();
        crowd.sweep();
        crowd.present();
        assert_eq!(crowd.put(9), Placed::Refused);
        Ok(())
    }

    /// It is sets that count, not how often.
    #[test]
    fn crowded_when_keys_come_back() -> Result {
        let mut table = Sets::new(COUNT)?;
        for set in 0..=COUNT / 64 {
            assert!(!table.is_crowded());
            for index in 0..=WAYS {
                let key = key_in(set, index);
                table.put(hash(key), Number(key), 0);
                table.get(hash(key), &Number(key));
            }
            for _ in 0..100 {
                let key = key_in(set, WAYS);
                table.put(hash(key), Number(key), 0);
            }
        }
        assert!(table.is_crowded());
        assert!(!table.take_load().is_empty);
        assert!(!table.is_crowded());
        Ok(())
    }

    #[test]
    fn sweep_forgets_what_was_not_used() -> Result {
        let mut crowd = Crowd::new()?;
        crowd.get(1);
        crowd.sweep();
        assert_eq!(crowd.table.take_load().kept, 1);
        crowd.get(1);
        crowd.sweep();
        // This uses what is left.
        assert_eq!(crowd.present(), 0b10);
        crowd.sweep();
        assert_eq!(crowd.table.take_load().kept, 1);
        crowd.sweep();
        assert_eq!(crowd.present(), 0);
        assert_eq!(crowd.table.take_load().kept, 0);
        Ok(())
    }

    #[test]
    fn sweep_leaves_other_parts_alone() -> Result {
        let mut crowd = Crowd::new()?;
        crowd.table.sweep(0..7, |_| true);
        crowd.table.sweep(8..COUNT, |_| true);
        crowd.table.sweep(8..COUNT + 1, |_| true);
        assert_eq!(crowd.present(), 0b1111);
        crowd.table.sweep(7..8, |_| false);
        assert_eq!(crowd.present(), 0);
        Ok(())
    }

    #[test]
    fn sweep_forgets_what_is_not_to_be_kept() -> Result {
        let mut crowd = Crowd::new()?;
        assert_eq!(crowd.present(), 0b1111);
        crowd.table.sweep(0..COUNT, |value| *value != 1);
        assert_eq!(crowd.present(), 0b1101);
        Ok(())
    }

    #[test]
    fn empty_is_known() -> Result {
        let mut crowd = Crowd::new()?;
        assert!(!crowd.table.take_load().is_empty);
        crowd.sweep();
        assert!(!crowd.table.take_load().is_empty);
        crowd.sweep();
        assert!(crowd.table.take_load().is_empty);
        assert_eq!(crowd.put(5), Placed::Added);
        crowd.get(5);
        crowd.sweep();
        assert!(!crowd.table.take_load().is_empty);
        crowd.table.sweep(0..COUNT / 2, |_| true);
        // Where it has been swept already.
        assert_eq!(crowd.put(6), Placed::Added);
        crowd.table.sweep(COUNT / 2..COUNT, |_| true);
        assert!(!crowd.table.take_load().is_empty);
        crowd.sweep();
        crowd.sweep();
        assert!(crowd.table.take_load().is_empty);
        Ok(())
    }

    #[test]
    fn forget_asks_about_each() -> Result {
        let mut crowd = Crowd::new()?;
        let (first, last) = (key_in(0, 0), key_in(COUNT - 1, 0));
        crowd.table.put(hash(first), Number(first), 9);
        crowd.table.put(hash(last), Number(last), 9);
        crowd.get(0);
        crowd.table.forget(|value| *value != 2);
        assert_eq!(crowd.present(), 0b100);
        assert!(crowd.table.get(hash(first), &Number(first)).is_none());
        assert!(crowd.table.get(hash(last), &Number(last)).is_none());
        Ok(())
    }

    /// In a table of another size, what was there is found.
    #[test]
    fn moves() -> Result {
        let mut crowd = Crowd::new()?;
        crowd.get(0);
        for count in [COUNT / 2, COUNT * 2, 1] {
            let mut other = Sets::new(count)?;
            let old = core::mem::replace(&mut crowd.table, Sets::new(COUNT)?);
            for entry in old.into_entries() {
                assert_eq!(other.put_entry(hash(entry.key().0), entry), Placed::Added);
            }
            for index in 0..WAYS {
                let key = crowd.key(index);
                assert_eq!(other.get(hash(key), &Number(key)), Some(&(index as u64)));
            }
            crowd.table = other;
        }
        Ok(())
    }

    #[test]
    fn values_are_let_go() -> Result {
        let dropped = Cell::new(0);
        let mut table = Sets::new(1)?;
        let mut put = |number| {
            table.put(hash(number), Number(number), Counted(&dropped));
            dropped.get()
        };
        for number in 0..WAYS as u64 {
            assert_eq!(put(number), 0);
        }
        assert_eq!(put(0), 1);
        assert_eq!(put(9), 2);
        table.sweep(0..1, |_| true);
        assert_eq!(dropped.get(), 2);
        table.sweep(0..1, |_| true);
        assert_eq!(dropped.get(), 2 + WAYS as u32);
        table.put(hash(0), Number(0), Counted(&dropped));
        drop(table);
        assert_eq!(dropped.get(), 3 + WAYS as u32);
        Ok(())
    }
}
