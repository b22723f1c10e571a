// SPDX-License-Identifier: GPL-2.0

//! Locks that nobody waits for.

use crate::net::try_lock::TryLock;

use kernel::prelude::*;

#[kunit_tests(xfrmi_try_lock)]
mod cases {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let lock = TryLock::new(1);
        let first = lock.try_lock();
        assert!(first.as_deref() == Some(&1));
        assert!(lock.try_lock().is_none());
        // Who was refused has not let go of it for the other one.
        assert!(lock.try_lock().is_none());
        drop(first);
        if let Some(mut second) = lock.try_lock() {
            *second = 2;
        }
        assert!(lock.try_lock().as_deref() == Some(&2));
    }
}
