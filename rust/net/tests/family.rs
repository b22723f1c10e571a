// SPDX-License-Identifier: GPL-2.0

//! The numbers of address families.

use crate::net::Family;

use kernel::prelude::*;

#[kunit_tests(xfrmi_family)]
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
}
