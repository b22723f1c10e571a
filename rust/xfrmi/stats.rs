// SPDX-License-Identifier: GPL-2.0

//! What an interface counts besides its packets, and why it drops some.
//!
//! Nothing is counted for a packet whose bundle or metadata is known: how many those are follows
//! from the rest. The numbers are shown by `ethtool -S`; `docs/tracing.md` says what they mean.
//!
//! In any context in which packets are handled.

use crate::{
    compat::code::eremote,
    net::{
        counters::Counters,
        netdevice::NetDevice,
        skb::{
            DropReason,
            SkBuff, //
        },
        trace::Packet,
        xfrm::MdInfo, //
    }, //
};

use kernel::prelude::*;

/// Why a packet is dropped. The numbers are those of `trace.h`.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Cause {
    /// It is neither IPv4 nor IPv6.
    Protocol = 0,
    /// It is shorter than its header says.
    Malformed = 1,
    /// Nothing says which connection it belongs to.
    NoConnection = 2,
    /// There is no route.
    NoRoute = 3,
    /// There is no state for it.
    NoState = 4,
    /// A policy refuses it.
    Policy = 5,
    /// No policy of the connection is for it.
    NoPolicy = 6,
    /// It would come back to the device.
    Loop = 7,
    /// It is larger than the path takes.
    TooBig = 8,
    /// There is no memory.
    Memory = 9,
    /// The device is down.
    Down = 10,
    /// Several VRFs claim its connection.
    VrfConflict = 11,
    /// The VRF of its connection is down.
    VrfDown = 12,
    /// A security module can't label it.
    Label = 13,
}

impl Cause {
    /// How many there are.
    const COUNT: usize = 14;

    /// The reason that `skb:kfree_skb` shows.
    pub(super) fn reason(self) -> DropReason {
        match self {
            Self::Protocol => DropReason::UNHANDLED_PROTO,
            Self::Malformed => DropReason::PKT_TOO_SMALL,
            Self::NoConnection => DropReason::TUNNEL_TXINFO,
            Self::NoRoute => DropReason::IP_OUTNOROUTES,
            Self::NoState | Self::Policy | Self::NoPolicy | Self::Label => DropReason::XFRM_POLICY,
            Self::Loop => DropReason::RECURSION_LIMIT,
            Self::TooBig => DropReason::PKT_TOO_BIG,
            Self::Memory => DropReason::NOMEM,
            Self::Down | Self::VrfDown => DropReason::DEV_READY,
            Self::VrfConflict => DropReason::IP_INNOROUTES,
        }
    }

    /// Why a look-up that has failed with `error` leaves a packet without a bundle.
    pub(super) fn of_look_up(error: Error) -> Self {
        if error == EAGAIN || error == eremote() {
            Self::NoState
        } else if error == EPERM {
            Self::Policy
        } else if error == ENOENT {
            Self::NoPolicy
        } else if error == ENOMEM {
            Self::Memory
        } else {
            Self::NoRoute
        }
    }
}

/// What is counted besides drops.
#[derive(Clone, Copy)]
pub(crate) enum Event {
    /// The bundle of a packet was looked up, and found.
    LookedUp,
    /// What was known for a packet could not be used any more.
    Stale,
    /// A bundle that was known gave way to another one.
    Evicted,
    /// There was no room to remember the bundle of a packet: others are in use.
    Refused,
    /// Metadata was made for a received packet, and for those that follow.
    MetadataMade,
    /// A packet of an external device was received in transport mode, without metadata.
    NoMetadata,
}

impl Event {
    /// How many there are.
    const COUNT: usize = 6;
}

/// How many numbers there are: events, then drops on the way out, then drops on the way in.
const COUNT: usize = Event::COUNT + 2 * Cause::COUNT;

/// What is counted for one device.
pub(crate) struct Stats(Counters<COUNT>);

impl Stats {
    /// Nothing was counted yet. Fails for lack of memory; may sleep.
    pub(super) fn new() -> Result<Self> {
        Ok(Self(Counters::new()?))
    }

    /// Counts an event.
    pub(super) fn count(&self, event: Event) {
        self.0.count(event as usize);
    }

    /// Counts a packet that is dropped on its way out (`is_out`) or in, and tells of it.
    pub(super) fn drop(
        &self,
        dev: &NetDevice,
        skb: &SkBuff,
        info: MdInfo,
        is_out: bool,
        cause: Cause,
    ) {
        let MdInfo { if_id, link } = info;
        let first = if is_out {
            Event::COUNT
        } else {
            Event::COUNT + Cause::COUNT
        };
        self.0.count(first + cause as usize);
        Packet {
            dev,
            skb,
            if_id,
            link,
        }
        .dropped(is_out, cause as u32);
    }

    /// What is shown as the statistic `shown` of a device that has received and sent so many
    /// packets. What is not counted follows from what is.
    pub(super) fn get(&self, shown: Shown, received: u64, sent: u64) -> u64 {
        let events = |event: Event| self.0.sum(event as usize);
        match shown {
            Shown::Known => sent.saturating_sub(events(Event::LookedUp)),
            Shown::Shared => received
                .saturating_sub(events(Event::MetadataMade))
                .saturating_sub(events(Event::NoMetadata)),
            Shown::Event(event) => events(event),
            Shown::Out(cause) => self.0.sum(Event::COUNT + cause as usize),
            Shown::In(cause) => self.0.sum(Event::COUNT + Cause::COUNT + cause as usize),
        }
    }
}

/// What `ethtool` shows.
#[derive(Clone, Copy)]
pub(super) enum Shown {
    /// The packets that were sent through a bundle that was known.
    Known,
    /// The packets that were received with metadata that was known.
    Shared,
    /// What is counted.
    Event(Event),
    /// The packets that were dropped on their way out.
    Out(Cause),
    /// The packets that were dropped on their way in.
    In(Cause),
}

/// How many statistics are shown of a static device: the first of [`NAMES`] and [`SHOWN`].
pub(super) const STATIC: usize = 19;

/// The names of the statistics.
pub(super) static NAMES: [&CStr; 23] = [
    c"tx_bundle_known",
    c"tx_bundle_looked_up",
    c"tx_bundle_stale",
    c"tx_bundle_evicted",
    c"tx_bundle_refused",
    c"tx_drop_protocol",
    c"tx_drop_malformed",
    c"tx_drop_no_connection",
    c"tx_drop_no_route",
    c"tx_drop_no_state",
    c"tx_drop_policy",
    c"tx_drop_no_policy",
    c"tx_drop_loop",
    c"tx_drop_too_big",
    c"tx_drop_memory",
    c"tx_drop_label",
    c"rx_drop_policy",
    c"rx_drop_memory",
    c"rx_drop_down",
    c"rx_drop_vrf_conflict",
    c"rx_drop_vrf_down",
    c"rx_metadata_shared",
    c"rx_metadata_made",
];

/// What they are.
pub(super) static SHOWN: [Shown; 23] = [
    Shown::Known,
    Shown::Event(Event::LookedUp),
    Shown::Event(Event::Stale),
    Shown::Event(Event::Evicted),
    Shown::Event(Event::Refused),
    Shown::Out(Cause::Protocol),
    Shown::Out(Cause::Malformed),
    Shown::Out(Cause::NoConnection),
    Shown::Out(Cause::NoRoute),
    Shown::Out(Cause::NoState),
    Shown::Out(Cause::Policy),
    Shown::Out(Cause::NoPolicy),
    Shown::Out(Cause::Loop),
    Shown::Out(Cause::TooBig),
    Shown::Out(Cause::Memory),
    Shown::Out(Cause::Label),
    Shown::In(Cause::Policy),
    Shown::In(Cause::Memory),
    Shown::In(Cause::Down),
    Shown::In(Cause::VrfConflict),
    Shown::In(Cause::VrfDown),
    Shown::Shared,
    Shown::Event(Event::MetadataMade),
];
