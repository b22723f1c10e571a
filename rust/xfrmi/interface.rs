// SPDX-License-Identifier: GPL-2.0

//! What an XFRM interface is.
//!
//! The data of a device is made by [`link`](super::link) and lives as long as the device. All but
//! the `if_id` of a static device is fixed, so it is read in any context.
//!
//! # Examples
//!
//! ```
//! use crate::xfrmi::interface::{
//!     Interface,
//!     Mode, //
//! };
//!
//! /// What `ip -details link show` says of a device.
//! fn describe(interface: &Interface) -> Option<u32> {
//!     match interface.mode() {
//!         Mode::Static(if_id) => Some(if_id.get()),
//!         Mode::External(_) => None,
//!     }
//! }
//! # let _: fn(&Interface) -> Option<u32> = describe;
//! ```

use super::{
    claims::Claims,
    if_id::IfId,
    stats::{
        Event,
        Stats, //
    }, //
};

use kernel::{
    prelude::*,
    sync::atomic::Atomic, //
};

/// What tells the connections of a device from those of others.
pub(crate) enum Mode {
    /// The device carries one connection: that with its `if_id`.
    Static(IfId),
    /// The device carries the connections that the metadata or routes of packets name
    /// (`collect_md`).
    External(Pin<KBox<External>>),
}

/// What belongs to an external device.
#[pin_data]
pub(crate) struct External {
    /// Whether packets come in by the VRFs of their connections.
    pub(super) vrf_by_route: Atomic<bool>,
    /// Which VRFs these are, while that is so.
    #[pin]
    pub(super) claims: Claims,
}

impl External {
    /// Fails for lack of memory.
    pub(super) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            vrf_by_route: Atomic::new(false),
            claims <- Claims::new(),
        })
    }
}

/// An XFRM interface: what the driver keeps for one device.
pub(crate) struct Interface {
    /// Which connections are the device's.
    pub(super) mode: Mode,
    /// The index of the device to send through, in the link namespace; 0 for any.
    pub(super) link: c_int,
    /// Whether the policies are asked before those who may take a packet away.
    pub(super) check_before_ingress: Atomic<bool>,
    /// Whether packets of routes with an encapsulation may go past the device's queue.
    pub(super) skip_queue: Atomic<bool>,
    /// What is counted.
    pub(super) stats: Stats,
}

impl Interface {
    /// Which connections are the device's.
    pub(crate) fn mode(&self) -> &Mode {
        &self.mode
    }

    /// The `if_id` of a static device, in host byte order; `None` for the external device.
    pub(crate) fn if_id(&self) -> Option<u32> {
        match &self.mode {
            Mode::Static(if_id) => Some(if_id.get()),
            Mode::External(_) => None,
        }
    }

    /// The `if_id` of the policies that a packet has to satisfy that came in by the device, through
    /// a state with `state_if_id`. Both are in host byte order.
    pub(crate) fn policy_if_id(&self, state_if_id: u32) -> u32 {
        match &self.mode {
            Mode::Static(if_id) => if_id.of_policies(state_if_id),
            Mode::External(_) => state_if_id,
        }
    }

    /// Counts a packet that is received without metadata, if the device gives metadata to others.
    #[inline]
    pub(super) fn no_metadata(&self) {
        if let Mode::External(_) = self.mode {
            self.stats.count(Event::NoMetadata);
        }
    }
}
