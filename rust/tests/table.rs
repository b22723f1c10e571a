// SPDX-License-Identifier: GPL-2.0

//! The table of one CPU: which entry gives way, and when one is forgotten.

use crate::xfrmi::cache::{
    Key,
    Sets,
    SETS,
    WAYS, //
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

const fn key(number: u64) -> Number {
    Number(number)
}

/// A set that is not the first one.
const SET: usize = 7;

type Numbers = Sets<Number, u64>;

/// A table with a full set: keys 0 to `WAYS - 1`, with values that are 100 higher.
fn full() -> Result<Numbers> {
    let mut table = Sets::new()?;
    for number in 0..WAYS as u64 {
        table.put(SET, key(number), 100 + number);
    }
    Ok(table)
}

/// Which of the keys 0 to 9 are in the set, as bits. Uses them all.
fn present(table: &mut Numbers) -> u32 {
    (0..10)
        .filter(|number| table.get(SET, &key(*number)).is_some())
        .fold(0, |bits, number| bits | 1 << number)
}

/// A value that counts how often one is dropped.
struct Counted<'a>(&'a Cell<u32>);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[kunit_tests(xfrmi_cache_table)]
mod cases {
    use super::*;

    #[test]
    fn finds_what_was_put() -> Result {
        let mut table = full()?;
        assert!((0..WAYS as u64).all(|n| table.get(SET, &key(n)) == Some(&(100 + n))));
        assert!(table.get(SET, &key(9)).is_none());
        assert!(table.get(SET + 1, &key(0)).is_none());
        Ok(())
    }

    #[test]
    fn same_key_is_replaced() -> Result {
        let mut table = full()?;
        table.put(SET, key(2), 1);
        assert_eq!(table.get(SET, &key(2)), Some(&1));
        assert_eq!(present(&mut table), 0b1111);
        Ok(())
    }

    #[test]
    fn idle_gives_way() -> Result {
        let mut table = full()?;
        for used in [0, 1, 3] {
            table.get(SET, &key(used));
        }
        table.put(SET, key(9), 1);
        assert_eq!(present(&mut table), 0b10_0000_1011);
        Ok(())
    }

    #[test]
    fn free_room_before_idle() -> Result {
        let mut table = full()?;
        table.forget(|value| *value == 102);
        table.put(SET, key(9), 1);
        assert_eq!(present(&mut table), 0b10_0000_1011);
        Ok(())
    }

    /// New flows get in even where all entries are in use.
    #[test]
    fn first_gives_way_when_all_are_in_use() -> Result {
        let mut table = full()?;
        assert_eq!(present(&mut table), 0b1111);
        table.put(SET, key(9), 1);
        assert_eq!(present(&mut table), 0b10_0000_1110);
        Ok(())
    }

    #[test]
    fn sweep_forgets_what_was_not_used() -> Result {
        let mut table = full()?;
        table.get(SET, &key(1));
        table.sweep(|_| true);
        // This uses what is left.
        assert_eq!(present(&mut table), 0b10);
        table.sweep(|_| true);
        table.sweep(|_| true);
        assert_eq!(present(&mut table), 0);
        Ok(())
    }

    #[test]
    fn sweep_forgets_what_is_not_to_be_kept() -> Result {
        let mut table = full()?;
        assert_eq!(present(&mut table), 0b1111);
        table.sweep(|value| *value != 101);
        assert_eq!(present(&mut table), 0b1101);
        Ok(())
    }

    #[test]
    fn put_after_empty_sweep() -> Result {
        let mut table = full()?;
        table.sweep(|_| true);
        table.sweep(|_| true);
        table.put(SET, key(5), 1);
        assert_eq!(present(&mut table), 0b10_0000);
        table.sweep(|_| false);
        assert_eq!(present(&mut table), 0);
        Ok(())
    }

    #[test]
    fn forget_asks_about_each() -> Result {
        let mut table = full()?;
        table.put(0, key(5), 1);
        table.put(SETS - 1, key(6), 2);
        table.get(SET, &key(0));
        table.forget(|value| *value != 102);
        assert_eq!(present(&mut table), 0b100);
        assert!(table.get(0, &key(5)).is_none());
        assert!(table.get(SETS - 1, &key(6)).is_none());
        Ok(())
    }

    #[test]
    fn no_such_set() -> Result {
        let mut table = full()?;
        table.put(SETS, key(9), 1);
        assert!(table.get(SETS, &key(9)).is_none());
        assert_eq!(present(&mut table), 0b1111);
        Ok(())
    }

    #[test]
    fn values_are_let_go() -> Result {
        let dropped = Cell::new(0);
        let mut table = Sets::new()?;
        for number in 0..WAYS as u64 {
            table.put(SET, key(number), Counted(&dropped));
        }
        assert_eq!(dropped.get(), 0);
        table.put(SET, key(0), Counted(&dropped));
        assert_eq!(dropped.get(), 1);
        table.put(SET, key(9), Counted(&dropped));
        assert_eq!(dropped.get(), 2);
        table.sweep(|_| true);
        assert_eq!(dropped.get(), 2 + WAYS as u32);
        table.put(SET, key(0), Counted(&dropped));
        drop(table);
        assert_eq!(dropped.get(), 3 + WAYS as u32);
        Ok(())
    }
}
