// SPDX-License-Identifier: GPL-2.0

//! Numbers of the C side: address families, and errors in pointers.

use crate::net::{
    from_err_ptr,
    Family, //
};

use kernel::prelude::*;

/// A pointer with this value.
fn pointer(value: isize) -> *mut u32 {
    // CAST: That is what an error in a pointer is.
    core::ptr::without_provenance_mut(value as usize)
}

#[kunit_tests(xfrmi_numbers)]
mod cases {
    use super::*;

    #[test]
    fn families() {
        assert!(Family::from_raw(2) == Some(Family::Inet));
        assert!(Family::from_raw(10) == Some(Family::Inet6));
        for other in [0, 1, 3, 9, 11, 0x1_0002] {
            assert!(Family::from_raw(other).is_none());
        }
        assert_eq!(Family::Inet.as_raw(), 2);
        assert_eq!(Family::Inet6.as_raw(), 10);
    }

    #[test]
    fn errors_in_pointers() {
        assert!(from_err_ptr(pointer(-12)) == Err(ENOMEM));
        assert!(from_err_ptr(pointer(-4095)).is_err());
        assert!(from_err_ptr(pointer(-4096)).is_ok());
        assert!(from_err_ptr(pointer(0)) == Err(EINVAL));
        let mut number = 1;
        assert!(from_err_ptr(&raw mut number).is_ok_and(|found| found.as_ptr() == &raw mut number));
    }
}
