// SPDX-License-Identifier: GPL-2.0

//! IPsec: the kernel's policies and states, and the protocols that bring packets in.
//!
//! The kernel calls IPsec XFRM, for "transform". A *policy* says what has to be done to the packets
//! of a flow. A *state* is a security association: the key and the parameters of one direction
//! between two addresses. A *bundle* is a route together with the states that packets go through on
//! their way. Policies and states may have an `if_id`, a number that tells the connections of one
//! tunnel device from those of another. All abstractions here exist for such devices:
//!
//! | to | use |
//! |---|---|
//! | send a packet through the states of a connection | [`lookup_with_ifid`] |
//! | use what was found for the packets that follow | [`Bundle`], with [`EventsRegistration`] and [`AddedStates`] |
//! | let a packet wait for a negotiation | [`Waiting`] |
//! | take packets that came in through states | [`Handler`], with [`ProtocolRegistration`] |
//! | take those that were inside another IP packet | [`Handler`], with [`Tunnel4Registration`] |
//! | say which policies such a packet has to satisfy | [`SessionDecoder`] |
//! | ask whether it satisfies them | [`check_in`], [`try_check_in`], [`next_by_gro`] |
//! | handle ICMP errors about packets that were sent | [`IcmpError`] |
//! | read which connection a packet belongs to | [`MdInfo`], [`State`] |
//! | write it on a packet | [`SharedMetadata`] |
//! | write it in a route | [`EncapOps`], with [`EncapRegistration`] |
//!
//! What packets need runs in softirq context or with softirqs disabled, in an RCU read-side
//! critical section: it takes the [`rcu::Guard`](kernel::sync::rcu::Guard) of that section and does
//! not sleep. Registrations are made and dropped in process context, and may sleep.
//!
//! C header: [`include/net/xfrm.h`](srctree/include/net/xfrm.h)
//!
//! # Examples
//!
//! The numbers that the protocols have in an IP header:
//!
//! ```
//! use crate::net::xfrm::Protocol;
//!
//! assert_eq!(Protocol::Esp.as_raw(), 50);
//! assert_eq!(Protocol::Ah.as_raw(), 51);
//! assert_eq!(Protocol::Comp.as_raw(), 108);
//! ```

mod added_states;
mod bundle;
mod error;
mod events;
mod gro;
mod input;
#[cfg(CONFIG_DEBUG_INFO_BTF)]
pub(crate) mod kfuncs;
mod lwtunnel;
mod metadata;
mod policy;
mod secpath;
mod session;
mod state;
mod tunnel;
mod waiting;

#[cfg(SHADOW)]
pub(crate) use self::bundle::is_same_way;
pub(crate) use self::{
    added_states::AddedStates,
    bundle::Bundle,
    error::IcmpError,
    events::{
        ConnectionListener,
        EventsRegistration, //
    },
    gro::{
        gro_takes_esp,
        next_by_gro,
        next_state, //
    },
    input::{
        Handler,
        ProtocolRegistration,
        Received, //
    },
    lwtunnel::{
        EncapOps, //
        EncapRegistration,
    },
    metadata::{
        MdInfo,
        SharedMetadata, //
    },
    policy::{
        check_any,
        check_in,
        lookup_with_ifid,
        try_check_in, //
    },
    session::{
        Session,
        SessionDecoder,
        SessionRegistration, //
    },
    state::State,
    waiting::Waiting, //
};

#[cfg(CONFIG_INET_XFRM_TUNNEL)]
pub(crate) use self::tunnel::Tunnel4Registration;
#[cfg(CONFIG_INET6_XFRM_TUNNEL)]
pub(crate) use self::tunnel::Tunnel6Registration;

use crate::{
    bindings,
    compat::casts::u32_into_u8, //
};

/// The protocols of IPsec.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Encapsulating Security Payload.
    Esp,
    /// Authentication Header.
    Ah,
    /// IP Payload Compression.
    Comp,
}

impl Protocol {
    /// The protocol's number in an IP header (`IPPROTO_*`).
    pub(crate) const fn as_raw(self) -> u8 {
        match self {
            Protocol::Esp => u32_into_u8::<{ bindings::IPPROTO_ESP }>(),
            Protocol::Ah => u32_into_u8::<{ bindings::IPPROTO_AH }>(),
            Protocol::Comp => u32_into_u8::<{ bindings::IPPROTO_COMP }>(),
        }
    }

    /// The protocol with the number `protocol`, if it is one of these.
    const fn from_raw(protocol: u8) -> Option<Self> {
        match protocol as u32 {
            bindings::IPPROTO_ESP => Some(Protocol::Esp),
            bindings::IPPROTO_AH => Some(Protocol::Ah),
            bindings::IPPROTO_COMP => Some(Protocol::Comp),
            _ => None,
        }
    }
}

/// A Security Parameter Index, in network byte order: says which of the states for one destination
/// and protocol a packet belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spi(u32);

impl Spi {
    /// The SPI in these four bytes of a packet.
    fn from_packet(bytes: [u8; 4]) -> Self {
        Self(u32::from_ne_bytes(bytes))
    }

    /// The SPI that stands for the Compression Parameter Index in these two bytes of a packet.
    fn from_cpi(bytes: [u8; 2]) -> Self {
        Self(u32::from(u16::from_be_bytes(bytes)).to_be())
    }
}
