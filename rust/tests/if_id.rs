// SPDX-License-Identifier: GPL-2.0

//! The `if_id` of a static device while it is changed.

use crate::xfrmi::if_id::IfId;

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    workqueue, //
};

#[kunit_tests(xfrmi_if_id)]
mod cases {
    use super::*;

    #[test]
    fn waiting_packets_have_the_one_before() {
        let if_id = IfId::new(5);
        assert_eq!(if_id.get(), 5);
        assert_eq!(if_id.of_policies(5), 5);
        assert_eq!(if_id.of_policies(6), 5);
        if_id.change(6);
        assert_eq!(if_id.get(), 6);
        assert_eq!(if_id.of_policies(5), 5);
        assert_eq!(if_id.of_policies(6), 6);
        assert_eq!(if_id.of_policies(7), 6);
        if_id.change(u32::MAX);
        assert_eq!(if_id.of_policies(6), 6);
        assert_eq!(if_id.of_policies(5), u32::MAX);
    }

    /// While the device goes from one to the other and back, packets of both are let in at any
    /// moment.
    #[test]
    fn one_and_the_other_at_any_moment() -> Result {
        let shared = Arc::new((IfId::new(5), Atomic::new(0u32)), GFP_KERNEL)?;
        shared.0.change(6);

        let changed = shared.clone();
        workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
            let (if_id, finished) = &*changed;
            for _ in 0..1_000_000 {
                if_id.change(5);
                if_id.change(6);
            }
            finished.store(1, Relaxed);
        })?;
        // Bounded: with one CPU, the other does not get on.
        for _ in 0..5_000_000 {
            let (if_id, finished) = &*shared;
            assert_eq!(if_id.of_policies(5), 5);
            assert_eq!(if_id.of_policies(6), 6);
            if finished.load(Relaxed) != 0 {
                break;
            }
        }
        Ok(())
    }
}
