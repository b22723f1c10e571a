// SPDX-License-Identifier: GPL-2.0

//! Packets that safe code could try to exchange.

use super::packet::packet;

use kernel::prelude::*;

#[kunit_tests(xfrmi_skb)]
mod cases {
    use super::*;

    #[test]
    fn swapping_changes_nothing() -> Result {
        let mut one = packet(&[1; 20])?;
        let mut other = packet(&[2; 40])?;
        core::mem::swap(&mut *one, &mut *other);
        assert_eq!(one.len(), 20);
        assert_eq!(other.len(), 40);
        assert_eq!(one.network_header(), Some([1]));
        assert_eq!(other.network_header(), Some([2]));
        // Who has packets may exchange which is whose.
        core::mem::swap(&mut one, &mut other);
        assert_eq!(one.len(), 40);
        assert_eq!(other.network_header(), Some([1]));
        Ok(())
    }
}
