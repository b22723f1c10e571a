// SPDX-License-Identifier: GPL-2.0

//! The keys of flows.

use super::packet::{
    packet,
    set_family,
    set_mark, //
};

use crate::net::{
    flow::{
        Flow,
        FlowKey, //
    },
    net_namespace::Net,
    Family, //
};

use kernel::prelude::*;

/// UDP from 10.1.0.1 to 10.2.0.2, from port 1000 to port 2000.
pub(super) const UDP4: [u8; 28] = [
    0x45, 0, 0, 28, 0, 1, 0x40, 0, 64, 17, 0, 0, 10, 1, 0, 1, 10, 2, 0, 2, 3, 232, 7, 208, 0, 8, 0,
    0,
];

/// The same from fd00:1::1 to fd00:2::2.
pub(super) const UDP6: [u8; 48] = [
    0x60, 0, 0, 0, 0, 8, 17, 64, 0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xfd, 0, 0, 2,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 232, 7, 208, 0, 8, 0, 0,
];

/// Where the protocol is.
const PROTOCOL4: usize = 9;
const PROTOCOL6: usize = 6;

/// Where the ports are.
pub(super) const PORTS4: usize = 20;
pub(super) const PORTS6: usize = 40;

/// The words of a key.
type Words = ([u64; FlowKey::WORDS], Option<[u64; FlowKey::MORE]>);

fn key(bytes: &[u8], family: Family) -> Result<Option<Words>> {
    let skb = packet(bytes)?;
    Ok(FlowKey::of(&skb, family).map(|key| key.words()))
}

/// The packet with one byte changed.
pub(super) fn with<const N: usize>(mut bytes: [u8; N], at: usize, value: u8) -> [u8; N] {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = value;
    }
    bytes
}

/// Whether the flows of two packets agree in every byte.
fn same_flow(one: &[u8], other: &[u8], family: Family) -> Result<bool> {
    // SAFETY: The first namespace is always there.
    let net = unsafe { Net::from_raw((&raw const kernel::bindings::init_net).cast()) };
    let flow = |bytes| -> Result<Flow> {
        let mut skb = packet(bytes)?;
        set_family(&mut skb, family);
        Flow::of(&skb, family, net)
    };
    let (one, other) = (flow(one)?, flow(other)?);
    let bytes = |flow: &Flow| -> &[u8] {
        // SAFETY: Flows are made of zeros, so that all bytes are initialised.
        unsafe { core::slice::from_raw_parts(flow.as_raw().cast(), size_of_val(&*flow.as_raw())) }
    };
    Ok(bytes(&one) == bytes(&other))
}

/// How many of the packets that differ from this one in a single bit have the same key, and whether
/// all of those have the same flow.
fn same_key_same_flow<const N: usize>(bytes: [u8; N], family: Family) -> Result<(usize, bool)> {
    let original = key(&bytes, family)?;
    let mut same = 0;
    let mut right = true;
    for (at, byte) in bytes.iter().enumerate() {
        for bit in 0..8 {
            let changed = with(bytes, at, byte ^ (1 << bit));
            if key(&changed, family)? == original {
                same += 1;
                right &= same_flow(&bytes, &changed, family)?;
            }
        }
    }
    Ok((same, right))
}

#[kunit_tests(xfrmi_flow_key)]
mod cases {
    use super::*;

    /// Or a packet would take the bundle of another flow.
    #[test]
    fn same_key_is_same_flow_4() -> Result {
        let (same, right) = same_key_same_flow(UDP4, Family::Inet)?;
        // Length, identification, DF and the reserved bit, TTL, checksum, and behind the ports.
        assert_eq!(same, 16 + 16 + 2 + 8 + 16 + 32);
        assert!(right);
        assert!(!same_flow(&UDP4, &with(UDP4, PORTS4, 9), Family::Inet)?);
        Ok(())
    }

    #[test]
    fn same_key_is_same_flow_6() -> Result {
        let (same, right) = same_key_same_flow(UDP6, Family::Inet6)?;
        // Version, class and label, length, hop limit, and behind the ports.
        assert_eq!(same, 32 + 16 + 8 + 32);
        assert!(right);
        assert!(!same_flow(&UDP6, &with(UDP6, PORTS6, 9), Family::Inet6)?);
        Ok(())
    }

    #[test]
    fn protocols() -> Result {
        for (protocol, known4, known6) in [
            (6, true, true),
            (17, true, true),
            (1, true, false),
            (58, false, true),
            (50, false, false),
            (0, false, false),
        ] {
            let packet4 = with(UDP4, PROTOCOL4, protocol);
            let packet6 = with(UDP6, PROTOCOL6, protocol);
            assert_eq!(key(&packet4, Family::Inet)?.is_some(), known4);
            assert_eq!(key(&packet6, Family::Inet6)?.is_some(), known6);
        }
        Ok(())
    }

    /// The flow has type and code of a message, not its identifier.
    #[test]
    fn icmp() -> Result {
        let echo = with(UDP4, PROTOCOL4, 1);
        assert!(key(&echo, Family::Inet)? == key(&with(echo, PORTS4 + 3, 9), Family::Inet)?);
        assert!(key(&echo, Family::Inet)? != key(&with(echo, PORTS4, 9), Family::Inet)?);
        assert!(key(&echo, Family::Inet)? != key(&with(echo, PORTS4 + 1, 9), Family::Inet)?);
        assert!(same_key_same_flow(echo, Family::Inet)?.1);

        let echo = with(UDP6, PROTOCOL6, 58);
        assert!(key(&echo, Family::Inet6)? == key(&with(echo, PORTS6 + 3, 9), Family::Inet6)?);
        assert!(key(&echo, Family::Inet6)? != key(&with(echo, PORTS6, 9), Family::Inet6)?);
        assert!(key(&echo, Family::Inet6)? != key(&with(echo, PORTS6 + 1, 9), Family::Inet6)?);
        assert!(same_key_same_flow(echo, Family::Inet6)?.1);
        Ok(())
    }

    /// What is not simple has no key.
    #[test]
    fn not_simple() -> Result {
        // Options, version 6, more fragments, and two offsets.
        for (at, value) in [(0, 0x46), (0, 0x65), (6, 0x20), (6, 0x01), (7, 0x01)] {
            assert!(key(&with(UDP4, at, value), Family::Inet)?.is_none());
        }
        Ok(())
    }

    #[test]
    fn too_short() -> Result {
        for len in 0..24 {
            assert!(key(UDP4.get(..len).ok_or(EINVAL)?, Family::Inet)?.is_none());
        }
        assert!(key(UDP4.get(..24).ok_or(EINVAL)?, Family::Inet)?.is_some());
        for len in 0..44 {
            assert!(key(UDP6.get(..len).ok_or(EINVAL)?, Family::Inet6)?.is_none());
        }
        assert!(key(UDP6.get(..44).ok_or(EINVAL)?, Family::Inet6)?.is_some());
        Ok(())
    }

    #[test]
    fn mark() -> Result {
        let mut skb = packet(&UDP4)?;
        let without = FlowKey::of(&skb, Family::Inet).map(|key| key.words());
        set_mark(&mut skb, 1);
        let with = FlowKey::of(&skb, Family::Inet).map(|key| key.words());
        assert!(with.is_some());
        assert!(with != without);
        Ok(())
    }
}
