// SPDX-License-Identifier: GPL-2.0

//! Metadata: what they say, and who holds them.

use super::packet::packet;

use crate::{
    bindings,
    compat::rcu::rcu_barrier,
    net::{
        dst::{
            Dst,
            Metadata,
            SkbDst, //
        },
        xfrm::{
            MdInfo,
            SharedMetadata, //
        }, //
    }, //
};

use kernel::prelude::*;

const INFO: MdInfo = MdInfo { if_id: 7, link: 3 };

/// How many references there are to a dst of any kind.
fn references(dst: *mut bindings::dst_entry) -> c_int {
    // SAFETY: The tests below ask while they have a reference. The counter is 0 for one.
    unsafe { (*dst).__rcuref.refcnt.counter + 1 }
}

/// How many references there are to metadata.
fn references_to(metadata: &Metadata) -> c_int {
    references(metadata.as_raw().cast())
}

#[kunit_tests(xfrmi_dst)]
mod cases {
    use super::*;

    #[test]
    fn metadata_is_counted() -> Result {
        let shared = SharedMetadata::new(INFO)?;
        let metadata = shared.clone().into_inner();
        assert_eq!(references_to(&metadata), 2);
        let other = shared.clone();
        assert_eq!(references_to(&metadata), 3);
        drop(other);
        drop(shared);
        assert_eq!(references_to(&metadata), 1);
        assert!(matches!(metadata.xfrm_info(), Some((INFO, None))));
        Ok(())
    }

    #[test]
    fn packet_holds_metadata() -> Result {
        let shared = SharedMetadata::new(INFO)?;
        let metadata = shared.clone().into_inner();
        let mut skb = packet(&[0; 20])?;
        assert!(matches!(skb.dst(), SkbDst::None));
        skb.set_metadata(metadata.clone());
        assert_eq!(references_to(&metadata), 3);
        assert!(matches!(skb.md_info_and_route(), (Some(INFO), None)));
        // What was attached is let go.
        let other = MdInfo { if_id: 8, link: 0 };
        skb.set_metadata(SharedMetadata::new(other)?.into_inner());
        assert_eq!(references_to(&metadata), 2);
        assert!(matches!(
            skb.md_info_and_route(),
            (Some(MdInfo { if_id: 8, link: 0 }), None)
        ));
        skb.set_metadata(shared.into_inner());
        assert_eq!(references_to(&metadata), 2);
        drop(skb);
        assert_eq!(references_to(&metadata), 1);
        Ok(())
    }

    /// Metadata for one packet hold the route that the packet had, until they are freed.
    #[test]
    fn metadata_holds_route() -> Result {
        // What kind of dst the route is makes no difference to who counts.
        let raw = Metadata::into_dst(SharedMetadata::new(INFO)?.into_inner());
        // SAFETY: The reference that `into_dst` gave out.
        let route = unsafe { Dst::from_look_up(raw) }?;
        let metadata = Metadata::new_xfrm(INFO, Some(route.clone()))?;
        assert_eq!(references(raw), 2);
        let mut skb = packet(&[0; 20])?;
        skb.set_metadata(metadata);
        let same = match skb.md_info_and_route() {
            (Some(INFO), Some(found)) => found.id() == route.id(),
            _ => false,
        };
        assert!(same);
        drop(skb);
        // They are freed after a grace period.
        rcu_barrier();
        assert_eq!(references(raw), 1);
        Ok(())
    }

    #[test]
    fn no_route() -> Result {
        let raw = Metadata::into_dst(SharedMetadata::new(INFO)?.into_inner());
        // SAFETY: The reference that `into_dst` gave out.
        let dst = unsafe { Dst::from_look_up(raw) }?;
        assert!(dst.state().is_none());
        assert!(dst.xfrm_info().is_none());
        Ok(())
    }
}
