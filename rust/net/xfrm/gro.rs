// SPDX-License-Identifier: GPL-2.0

//! What becomes of a packet out of a tunnel, which GRO sees before the IP stack does.
//!
//! `esp4_offload` and `esp6_offload` bring GRO to ESP, alone and in UDP. A packet may come out of
//! an ESP tunnel and be ESP again: GRO then gives it to its next state early. On that way the
//! kernel forgets which states the packet has come through. The next state gets it as if it came
//! from outside, and no policy is asked about the outer tunnel any more. So policies have to be
//! asked before. [`next_by_gro`] says for which packets.
//!
//! It is called in softirq context, under RCU.
//!
//! C sources: [`net/ipv4/esp4_offload.c`](srctree/net/ipv4/esp4_offload.c), `esp4_gro_receive()`,
//! [`net/ipv6/esp6_offload.c`](srctree/net/ipv6/esp6_offload.c), `esp6_gro_receive()`
//!
//! # Examples
//!
//! A handler checks a packet that has just come out of a tunnel:
//!
//! ```
//! use crate::net::{
//!     skb::SkBuff,
//!     xfrm, //
//! };
//! use kernel::sync::rcu;
//!
//! fn check(skb: &mut SkBuff, rcu: &rcu::Guard) -> Result {
//!     let Some((_next, family)) = xfrm::next_by_gro(skb, rcu) else {
//!         // It gets to the IP stack, which asks the policies.
//!         return Ok(());
//!     };
//!     skb.clear_ip_control_block(family);
//!     skb.drop_dst();
//!     if xfrm::check_in(skb, family) {
//!         Ok(())
//!     } else {
//!         Err(EPERM)
//!     }
//! }
//! # let _: fn(&mut SkBuff, &rcu::Guard) -> Result = check;
//! #
//! # let mut skb = crate::net::tests::packet::packet(&[0x45; 20])?;
//! // What is not said to be an IP packet is of no interest to GRO.
//! assert!(check(&mut skb, &rcu::read_lock()).is_ok());
//! ```

use super::{
    state::OwnedState,
    Protocol,
    Spi,
    State, //
};

use crate::{
    bindings,
    net::{
        skb::SkBuff,
        Family, //
    }, //
};

use core::mem::{
    offset_of,
    size_of, //
};

use kernel::{
    prelude::*,
    sync::rcu, //
};

/// The length of a UDP header, in bytes.
const UDP: usize = 8;

/// Where the SPI is in a header of AH, in bytes.
const AH_SPI: usize = offset_of!(bindings::ip_auth_hdr, spi);

/// Where the Compression Parameter Index is in a header of IPComp, in bytes.
const COMP_CPI: usize = offset_of!(bindings::ip_comp_hdr, cpi);

/// The state that GRO is going to give a packet to that has just come out of a tunnel, and the
/// family of the packet; `None` if GRO leaves it alone.
pub(crate) fn next_by_gro(skb: &SkBuff, rcu: &rcu::Guard) -> Option<(OwnedState, Family)> {
    if gro_takes_esp() {
        next(skb, &[Protocol::Esp], rcu)
    } else {
        None
    }
}

/// Whether GRO gives packets to states: `esp4_offload` or `esp6_offload` is there.
#[inline]
pub(crate) fn gro_takes_esp() -> bool {
    // SAFETY: Nothing is asked of the caller.
    unsafe { bindings::datapath_gro_takes_esp() }
}

/// The state that a packet is going to enter that has just come out of another one, if it is IPsec
/// again, or a tunnel that IPComp has left as it was.
#[cold]
pub(crate) fn next_state(skb: &SkBuff, rcu: &rcu::Guard) -> Option<OwnedState> {
    if let Some((state, _)) = next(skb, &[Protocol::Esp, Protocol::Ah, Protocol::Comp], rcu) {
        return Some(state);
    }
    let family = skb.family()?;
    if !skb.is_tunnel(family) {
        return None;
    }
    State::find_tunnel(skb.device(rcu)?.net(rcu), skb, family)
}

/// The state of one of `protocols` that the packet is for, and the family of the packet.
#[cold]
fn next(skb: &SkBuff, protocols: &[Protocol], rcu: &rcu::Guard) -> Option<(OwnedState, Family)> {
    let family = skb.family()?;
    let (protocol, offset) = header(skb, family)?;
    if !protocols.contains(&protocol) {
        return None;
    }
    let spi = match protocol {
        // With 0 it is a message of IKE, which uses the same port as ESP.
        Protocol::Esp => Spi::from_packet(skb.bytes_anywhere(offset).filter(|it| *it != [0; 4])?),
        Protocol::Ah => Spi::from_packet(skb.bytes_anywhere(offset.checked_add(AH_SPI)?)?),
        Protocol::Comp => Spi::from_cpi(skb.bytes_anywhere(offset.checked_add(COMP_CPI)?)?),
    };
    let net = skb.device(rcu)?.net(rcu);
    let state = State::find(net, skb, family, protocol, spi)?;
    Some((state, family))
}

/// Where a header of IPsec begins in the packet, in bytes from the network header: behind the IP
/// header, or in UDP. `None` if there is none, or the packet is a fragment, which nobody looks
/// into.
fn header(skb: &SkBuff, family: Family) -> Option<(Protocol, usize)> {
    let (protocol, offset) = match family {
        Family::Inet => {
            let [version_ihl] = skb.bytes(0)?;
            let [protocol] = skb.bytes(offset_of!(bindings::iphdr, protocol))?;
            let fragment = skb.bytes(offset_of!(bindings::iphdr, frag_off))?;
            if u32::from(u16::from_be_bytes(fragment)) & !bindings::IP_DF != 0 {
                return None;
            }
            (protocol, usize::from(version_ihl & 0xf) * 4)
        }
        Family::Inet6 => {
            let [mut protocol] = skb.bytes(offset_of!(bindings::ipv6hdr, nexthdr))?;
            let mut fragment = 0;
            // CAST: The header has 40 bytes.
            let start = size_of::<bindings::ipv6hdr>() as c_int;
            // SAFETY: The packet is valid, and the places for the results are.
            let offset = unsafe {
                bindings::ipv6_skip_exthdr(skb.as_raw(), start, &mut protocol, &mut fragment)
            };
            if fragment != 0 {
                return None;
            }
            (protocol, usize::try_from(offset).ok()?)
        }
    };
    if u32::from(protocol) == bindings::IPPROTO_UDP {
        return Some((Protocol::Esp, offset.checked_add(UDP)?));
    }
    Some((Protocol::from_raw(protocol)?, offset))
}
