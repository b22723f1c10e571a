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
    bindings,
    net::{
        flow::FlowKey,
        net_namespace::Net,
        xfrm::MdInfo,
        Family, //
    },
    xfrmi::key::BundleKey, //
};

use kernel::{
    prelude::*,
    types::Opaque, //
};

const INFO: MdInfo = MdInfo { if_id: 7, link: 3 };

/// Where the addresses are.
const ADDRESSES4: usize = 12;
const ADDRESSES6: usize = 8;

/// A route, that is its id.
const ROUTE: u64 = 0x1000;

/// The first namespace.
pub(crate) fn init_net() -> &'static Net {
    // SAFETY: It is always there.
    unsafe { Net::from_raw((&raw const kernel::bindings::init_net).cast()) }
}

fn key(bytes: &[u8], family: Family, route: u64, info: MdInfo, net: &Net) -> Result<BundleKey> {
    let skb = packet(bytes)?;
    let flow = FlowKey::of(&skb, family).ok_or(EINVAL)?;
    Ok(BundleKey::new(flow, route, info, net))
}

/// Whether packets with the same bytes have the same key, and those that differ in one byte from
/// the addresses to the end of the ports have another one.
fn told_apart<const N: usize>(
    bytes: [u8; N],
    family: Family,
    from: usize,
    ports: usize,
) -> Result<bool> {
    let of = |bytes: [u8; N]| key(&bytes, family, ROUTE, INFO, init_net());
    let original = of(bytes)?;
    let mut right = original == of(bytes)?;
    for at in from..ports + 4 {
        right &= original != of(with(bytes, at, 0x55))?;
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
        let of = |route, info| key(&UDP4, Family::Inet, route, info, init_net());
        let original = of(ROUTE, INFO)?;
        assert!(original == of(ROUTE, INFO)?);
        assert!(original != of(ROUTE + 0x100, INFO)?);
        assert!(original != of(ROUTE, MdInfo { if_id: 8, ..INFO })?);
        assert!(original.is_of(INFO) && !original.is_of(MdInfo { if_id: 8, ..INFO }));
        assert!(original != of(ROUTE, MdInfo { link: 4, ..INFO })?);
        Ok(())
    }

    /// Packets with the same route may be redirected to devices of several.
    #[test]
    fn namespaces() -> Result {
        let memory = KBox::<Opaque<bindings::net>>::new_uninit(GFP_KERNEL)?;
        // SAFETY: Nothing but the address is looked at.
        let other = unsafe { Net::from_raw(memory.as_ptr().cast()) };
        let of = |net| key(&UDP4, Family::Inet, ROUTE, INFO, net);
        assert!(of(init_net())? == of(init_net())?);
        assert!(of(init_net())? != of(other)?);
        Ok(())
    }
}
