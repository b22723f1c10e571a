// SPDX-License-Identifier: GPL-2.0

//! Metadata: what they say, and who holds them.

use super::packet::packet;

use crate::{
    bindings,
    net::{
        dst::{
            new_metadata,
            Attached,
            Dst,
            Metadata,
            XfrmInfo, //
        },
        skb::Skb, //
    }, //
};

use core::ptr::NonNull;

use kernel::{
    prelude::*,
    sync::aref::ARef, //
};

const INFO: XfrmInfo = XfrmInfo { if_id: 7, link: 3 };

/// A dst of which one reference is the caller's, and another one the result's.
fn held(dst: NonNull<bindings::dst_entry>) -> ARef<Dst> {
    // SAFETY: The reference is ours, and the result gets a new one.
    ARef::clone(&core::mem::ManuallyDrop::new(unsafe {
        Dst::from_owned(dst)
    }))
}

/// Attaches metadata to a packet.
fn attach(skb: &mut Skb, metadata: Metadata) {
    // SAFETY: The reference is ours.
    unsafe { skb.attach_raw(metadata.into_raw()) };
}

/// How many references there are to what `dst` refers to.
fn references(dst: &Dst) -> c_int {
    // SAFETY: The dst is live. The counter is 0 for one reference.
    unsafe { (*dst.as_raw()).__rcuref.refcnt.counter + 1 }
}

#[kunit_tests(xfrmi_dst)]
mod cases {
    use super::*;

    #[test]
    fn metadata_is_counted() -> Result {
        let metadata = Metadata::new(INFO)?;
        let raw = NonNull::new(metadata.clone().into_raw()).ok_or(EINVAL)?;
        let dst = held(raw);
        assert_eq!(references(&dst), 3);
        let other = metadata.clone();
        assert_eq!(references(&dst), 4);
        drop(other);
        drop(metadata);
        assert_eq!(references(&dst), 2);
        // SAFETY: The reference that `into_raw` gave out.
        drop(unsafe { Dst::from_owned(raw) });
        assert_eq!(references(&dst), 1);
        Ok(())
    }

    #[test]
    fn packet_holds_metadata() -> Result {
        let metadata = Metadata::new(INFO)?;
        let raw = NonNull::new(metadata.clone().into_raw()).ok_or(EINVAL)?;
        // SAFETY: The reference that `into_raw` gave out.
        let dst = unsafe { Dst::from_owned(raw) };
        let mut skb = packet(&[0; 20])?;
        assert!(matches!(skb.attached(), Attached::Nothing));
        attach(&mut skb, metadata.clone());
        assert_eq!(references(&dst), 3);
        assert!(matches!(skb.attached(), Attached::Xfrm(INFO, None)));
        // What was attached is let go.
        attach(&mut skb, Metadata::new(XfrmInfo { if_id: 8, link: 0 })?);
        assert_eq!(references(&dst), 2);
        assert!(matches!(
            skb.attached(),
            Attached::Xfrm(XfrmInfo { if_id: 8, link: 0 }, None)
        ));
        attach(&mut skb, metadata);
        assert_eq!(references(&dst), 2);
        drop(skb);
        assert_eq!(references(&dst), 1);
        Ok(())
    }

    /// Metadata for one packet hold the route that the packet had, until they are freed.
    #[test]
    fn metadata_holds_route() -> Result {
        // What kind of dst the route is makes no difference to who counts.
        let raw = NonNull::new(Metadata::new(INFO)?.into_raw()).ok_or(EINVAL)?;
        // SAFETY: The reference that `into_raw` gave out.
        let route = unsafe { Dst::from_owned(raw) };
        let metadata = new_metadata(INFO, Some(route.clone()))?;
        assert_eq!(references(&route), 2);
        let mut skb = packet(&[0; 20])?;
        // SAFETY: The reference is ours.
        unsafe { skb.attach_raw(metadata.as_ptr()) };
        let same = match skb.attached() {
            Attached::Xfrm(INFO, Some(found)) => found.id() == route.id(),
            _ => false,
        };
        assert!(same);
        drop(skb);
        // They are freed after a grace period.
        // SAFETY: This may sleep.
        unsafe { kernel::bindings::rcu_barrier() };
        assert_eq!(references(&route), 1);
        Ok(())
    }

    #[test]
    fn no_route() -> Result {
        let raw = NonNull::new(Metadata::new(INFO)?.into_raw()).ok_or(EINVAL)?;
        // SAFETY: The reference that `into_raw` gave out.
        let dst = unsafe { Dst::from_owned(raw) };
        assert!(dst.state().is_none());
        assert!(dst.xfrm_info().is_none());
        Ok(())
    }
}
