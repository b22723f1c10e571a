// SPDX-License-Identifier: GPL-2.0

//! Values that are there while something is registered.

use crate::net::global::Global;

use kernel::{
    prelude::*,
    sync::rcu, //
};

static PLACE: Global<u32> = Global::new();

fn value() -> Option<u32> {
    PLACE.get(&rcu::read_lock()).copied()
}

#[kunit_tests(xfrmi_global)]
mod cases {
    use super::*;

    #[test]
    fn one_at_a_time() -> Result {
        assert!(value().is_none());
        let registration = PLACE.register(KBox::pin(1, GFP_KERNEL)?)?;
        assert_eq!(value(), Some(1));
        let second = PLACE.register(KBox::pin(2, GFP_KERNEL)?);
        assert!(matches!(second, Err(EBUSY)));
        assert_eq!(value(), Some(1));
        drop(registration);
        assert!(value().is_none());
        let _third = PLACE.register(KBox::pin(3, GFP_KERNEL)?)?;
        assert_eq!(value(), Some(3));
        Ok(())
    }
}
