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
//!         Mode::External => None,
//!     }
//! }
//! # let _: fn(&Interface) -> Option<u32> = describe;
//! ```

use super::if_id::IfId;

use kernel::prelude::*;

/// What tells the connections of a device from those of others.
pub(crate) enum Mode {
    /// The device carries one connection: that with its `if_id`.
    Static(IfId),
    /// The device carries the connections that the metadata or routes of packets name
    /// (`collect_md`).
    External,
}

/// An XFRM interface: what the driver keeps for one device.
pub(crate) struct Interface {
    /// Which connections are the device's.
    pub(super) mode: Mode,
    /// The index of the device to send through, in the link namespace; 0 for any.
    pub(super) link: c_int,
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
            Mode::External => None,
        }
    }

    /// The `if_id` of the policies that a packet has to satisfy that came in by the device, through
    /// a state with `state_if_id`. Both are in host byte order.
    pub(crate) fn policy_if_id(&self, state_if_id: u32) -> u32 {
        match &self.mode {
            Mode::Static(if_id) => if_id.of_policies(state_if_id),
            Mode::External => state_if_id,
        }
    }
}
