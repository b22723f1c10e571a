// SPDX-License-Identifier: GPL-2.0

//! Tracepoints: what whoever listens is told of packets, and of what is remembered for them.
//!
//! While nobody listens, to tell costs a call and a branch that is not taken. They may be used in
//! any context in which packets are handled.
//!
//! C source: `datapath/trace.c`, `datapath/trace.h`
//!
//! # Examples
//!
//! ```
//! use crate::net::{
//!     netdevice::NetDevice,
//!     skb::SkBuff,
//!     trace::Packet, //
//! };
//!
//! /// The look-up of a packet to the connection 7 has failed.
//! fn failed(dev: &NetDevice, skb: &SkBuff, error: Error) {
//!     Packet { dev, skb, if_id: 7, link: 0 }.looked_up(Err(error));
//! }
//! # let _: fn(&NetDevice, &SkBuff, Error) = failed;
//! ```

use super::{
    netdevice::NetDevice,
    skb::SkBuff, //
};

use crate::bindings;

use kernel::prelude::*;

/// A packet of a device, and the connection to which it belongs.
pub(crate) struct Packet<'a> {
    /// The device.
    pub(crate) dev: &'a NetDevice,
    /// The packet.
    pub(crate) skb: &'a SkBuff,
    /// The `if_id` of the connection, in host byte order; 0 if it is not known.
    pub(crate) if_id: u32,
    /// The index of the device that the connection is bound to; 0 if it is to none.
    pub(crate) link: c_int,
}

/// What a CPU remembers. The numbers are those of `trace.h`.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Cache {
    /// The bundles that packets were sent through.
    Bundles = 0,
    /// The metadata that packets were received with.
    Metadata = 1,
}

impl Cache {
    /// Tells that the cache of a CPU, which had room for `before` entries, has room for `after`
    /// (`xfrm_interface:resize`).
    pub(crate) fn resized(self, before: usize, after: usize) {
        // SAFETY: It may be called from any context.
        unsafe { bindings::datapath_trace_resize(self as u32, before, after) };
    }
}

impl Packet<'_> {
    /// Tells that the packet, which is on its way out or in, is dropped (`xfrm_interface:drop`).
    /// `trace.h` says what the numbers of causes are.
    pub(crate) fn dropped(&self, is_out: bool, cause: u32) {
        let (dev, skb) = (self.dev.as_raw(), self.skb.as_raw());
        // SAFETY: Device and packet are valid.
        unsafe { bindings::datapath_trace_drop(dev, skb, self.if_id, self.link, is_out, cause) };
    }

    /// Tells that the bundle of the packet was looked up (`xfrm_interface:lookup`).
    pub(crate) fn looked_up(&self, result: Result) {
        let (dev, skb) = (self.dev.as_raw(), self.skb.as_raw());
        let error = result.err().map_or(0, Error::to_errno);
        // SAFETY: Device and packet are valid.
        unsafe { bindings::datapath_trace_lookup(dev, skb, self.if_id, self.link, error) };
    }
}
