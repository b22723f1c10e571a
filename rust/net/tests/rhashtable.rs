// SPDX-License-Identifier: GPL-2.0

//! Hash tables, and who owns what is in them.

use crate::{
    compat::rcu::rcu_barrier,
    net::{
        rhashtable::{
            Entry,
            U32Table, //
        },
        rtnl::Rtnl, //
    }, //
};

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu,
        Arc, //
    }, //
};

/// A value that says when it is dropped.
struct Counted {
    number: u32,
    dropped: Arc<Atomic<u32>>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Relaxed);
    }
}

/// RTNL, for as long as it lives.
pub(crate) struct Lock;

impl Lock {
    pub(crate) fn take() -> Self {
        // SAFETY: This is process context, and nobody here holds RTNL.
        unsafe { rtnl_lock() };
        Self
    }

    pub(crate) fn rtnl(&self) -> &Rtnl {
        // SAFETY: It is held.
        unsafe { Rtnl::assume() }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // SAFETY: It is held.
        unsafe { rtnl_unlock() };
    }
}

extern "C" {
    fn rtnl_lock();
    fn rtnl_unlock();
}

fn table() -> Result<Pin<KBox<U32Table<Counted>>>> {
    KBox::pin_init(U32Table::new(), GFP_KERNEL)
}

fn entry(key: u32, number: u32, dropped: &Arc<Atomic<u32>>) -> Result<Entry<Counted>> {
    let dropped = dropped.clone();
    Entry::new(key, Counted { number, dropped }, GFP_KERNEL)
}

fn found(table: &U32Table<Counted>, key: u32) -> Option<u32> {
    table.get(key, &rcu::read_lock()).map(|value| value.number)
}

/// The count, once all that was dropped is gone.
fn settled(dropped: &Atomic<u32>) -> u32 {
    // SAFETY: This may sleep.
    rcu_barrier();
    dropped.load(Relaxed)
}

#[kunit_tests(xfrmi_rhashtable)]
mod cases {
    use super::*;

    #[test]
    fn finds_what_was_inserted() -> Result {
        let dropped = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let table = table()?;
        let mut all = Ok(());
        // Keys that differ in high bits only, and more than the table begins with.
        for n in 0..100 {
            let inserted = entry(n << 16, n, &dropped).and_then(|e| table.insert(e));
            all = all.and(inserted);
        }
        all?;
        assert!((0..100).all(|n| found(&table, n << 16) == Some(n)));
        assert!(found(&table, 1).is_none());
        assert_eq!(settled(&dropped), 0);
        drop(table);
        assert_eq!(settled(&dropped), 100);
        Ok(())
    }

    #[test]
    fn key_is_taken_once() -> Result {
        let dropped = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let table = table()?;
        let (first, second) = (entry(7, 1, &dropped)?, entry(7, 2, &dropped)?);
        let first = table.insert(first);
        let second = table.insert(second);
        first?;
        assert!(second == Err(EEXIST));
        assert_eq!(settled(&dropped), 1);
        assert_eq!(found(&table, 7), Some(1));
        Ok(())
    }

    #[test]
    fn removed_is_given_back() -> Result {
        let dropped = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let table = table()?;
        let first = entry(7, 1, &dropped)?;
        let inserted = table.insert(first);
        let removed = table.remove(7);
        let again = table.remove(7);
        inserted?;
        assert!(again.is_none());
        assert!(found(&table, 7).is_none());
        assert_eq!(settled(&dropped), 0);
        assert!(removed.is_some());
        drop(removed);
        assert_eq!(settled(&dropped), 1);
        Ok(())
    }

    /// What was found can be used until the reader is done with it.
    #[test]
    fn removed_outlives_readers() -> Result {
        let dropped = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let table = table()?;
        let first = entry(7, 1, &dropped)?;
        let inserted = table.insert(first);
        let reader = rcu::read_lock();
        drop(table.remove(7));
        let meanwhile = dropped.load(Relaxed);
        drop(reader);
        inserted?;
        assert_eq!(meanwhile, 0);
        assert_eq!(settled(&dropped), 1);
        Ok(())
    }
}
