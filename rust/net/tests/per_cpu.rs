// SPDX-License-Identifier: GPL-2.0

//! Values that each CPU has while they are registered.

use crate::net::per_cpu::{
    PerCpu,
    PerCpuRef,
    PerCpuSlot, //
};

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu, //
    }, //
};

static SLOT: PerCpuSlot<Number> = PerCpuSlot::new();
static OTHER: PerCpuSlot<Number> = PerCpuSlot::new();
static LIVE: Atomic<u32> = Atomic::new(0);
/// How many can be made before one fails.
static LEFT: Atomic<u32> = Atomic::new(u32::MAX);

struct Number {
    number: u32,
}

impl PerCpu for Number {
    const SLOT: PerCpuRef<Self> = PerCpuRef::new(&SLOT);

    fn new() -> impl PinInit<Self, Error> {
        let number = || {
            if LEFT.fetch_sub(1, Relaxed) == 0 {
                return Err(EAGAIN);
            }
            Ok(LIVE.fetch_add(1, Relaxed))
        };
        try_init!(Self { number: number()? })
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Relaxed);
    }
}

fn count() -> usize {
    SLOT.all(&rcu::read_lock()).count()
}

#[kunit_tests(xfrmi_per_cpu)]
mod cases {
    use super::*;

    #[test]
    fn each_has_one() -> Result {
        assert_eq!(count(), 0);
        assert!(SLOT.get(&rcu::read_lock()).is_none());
        let registration = SLOT.register()?;
        assert!(SLOT.get(&rcu::read_lock()).is_some());
        assert_eq!(count(), LIVE.load(Relaxed) as usize);
        let mut sum = 0;
        for number in SLOT.all(&rcu::read_lock()) {
            sum += number.number;
        }
        // Each is another one.
        let live = LIVE.load(Relaxed);
        assert_eq!(sum, live * (live - 1) / 2);
        drop(registration);
        assert!(SLOT.get(&rcu::read_lock()).is_none());
        assert_eq!((count(), LIVE.load(Relaxed)), (0, 0));
        Ok(())
    }

    #[test]
    fn one_registration() -> Result {
        let registration = SLOT.register()?;
        assert!(matches!(SLOT.register(), Err(EBUSY)));
        assert!(matches!(OTHER.register(), Err(EINVAL)));
        assert!(count() > 0);
        drop(registration);
        let _again = SLOT.register()?;
        assert!(count() > 0);
        Ok(())
    }

    /// If one can't be made, nothing is left of the others.
    #[test]
    fn all_or_none() -> Result {
        let cpus = {
            let _registration = SLOT.register()?;
            LIVE.load(Relaxed)
        };
        for left in 0..cpus {
            LEFT.store(left, Relaxed);
            assert!(matches!(SLOT.register(), Err(EAGAIN)));
            assert_eq!((count(), LIVE.load(Relaxed)), (0, 0));
        }
        LEFT.store(u32::MAX, Relaxed);
        let _registration = SLOT.register()?;
        assert_eq!(LIVE.load(Relaxed), cpus);
        Ok(())
    }
}
