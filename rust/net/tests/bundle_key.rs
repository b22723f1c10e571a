// SPDX-License-Identifier: GPL-2.0

//! What bundles are known by.

use super::{
    flow::{
        with,
        PORTS4,
        PORTS6,
        UDP4,
        UDP6, //
    },
    packet::packet, //
};

use crate::{
    net::{
        dst::{
            Dst,
            Metadata,
            XfrmInfo, //
        },
        flow::FlowKey,
        namespace::Net,
        Family, //
    },
    xfrmi::caches::BundleKey, //
};

use core::ptr::NonNull;

use kernel::{
    prelude::*,
    sync::aref::ARef, //
};

const INFO: XfrmInfo = XfrmInfo { if_id: 7, link: 3 };

/// Where the addresses are.
const ADDRESSES4: usize = 12;
const ADDRESSES6: usize = 8;

/// A route, for those who only ask which one.
fn route() -> Result<ARef<Dst>> {
    let raw = NonNull::new(Metadata::new(INFO)?.into_raw()).ok_or(EINVAL)?;
    // SAFETY: The reference that `into_raw` gave out.
    Ok(unsafe { Dst::from_owned(raw) })
}

fn key(bytes: &[u8], family: Family, route: &Dst, info: XfrmInfo) -> Result<BundleKey> {
    let skb = packet(bytes)?;
    let flow = FlowKey::of(&skb, family).ok_or(EINVAL)?;
    // SAFETY: The first namespace is always there.
    let net = unsafe { Net::from_raw((&raw const kernel::bindings::init_net).cast()) };
    Ok(BundleKey::new(flow, route, info, net))
}

/// Whether packets with the same bytes have the same key, and those that differ in one byte from the
/// addresses to the end of the ports have another one.
fn told_apart<const N: usize>(
    bytes: [u8; N],
    family: Family,
    from: usize,
    ports: usize,
) -> Result<bool> {
    let route = route()?;
    let original = key(&bytes, family, &route, INFO)?;
    let mut right = original == key(&bytes, family, &route, INFO)?;
    for at in from..ports + 4 {
        let changed = with(bytes, at, 0x55);
        right &= original != key(&changed, family, &route, INFO)?;
    }
    Ok(right)
}

#[kunit_tests(xfrmi_bundle_key)]
mod cases {
    use super::*;

    /// Or a packet would go where another one has to go.
    #[test]
    fn flows() -> Result {
        assert!(told_apart(UDP4, Family::Inet, ADDRESSES4, PORTS4)?);
        assert!(told_apart(UDP6, Family::Inet6, ADDRESSES6, PORTS6)?);
        Ok(())
    }

    #[test]
    fn routes_and_connections() -> Result {
        let (one, other) = (route()?, route()?);
        let of = |route: &Dst, info| key(&UDP4, Family::Inet, route, info);
        let original = of(&one, INFO)?;
        assert!(original == of(&one, INFO)?);
        assert!(original != of(&other, INFO)?);
        assert!(original != of(&one, XfrmInfo { if_id: 8, ..INFO })?);
        assert!(original != of(&one, XfrmInfo { link: 4, ..INFO })?);
        Ok(())
    }
}
