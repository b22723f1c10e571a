// SPDX-License-Identifier: GPL-2.0

//! XFRM interfaces: network devices through which IPsec connections are told apart.
//!
//! A *static* device carries the connection whose policies and states have its `if_id`. The
//! *external* device of a namespace (`collect_md`) carries every other connection that has an
//! `if_id`: the metadata of each packet, or the route that it takes, says which one.
//!
//! The *link namespace* of a device is the one that it sends to and receives from. Policies, states
//! and encrypted packets are there, while the device may be moved to another namespace.
//!
//! Devices:
//!
//! - [`interface`]: what a device is
//! - [`link`]: how devices are created, changed and dumped
//! - [`if_id`]: the `if_id` of a static device, and what it was before
//! - [`namespace`]: what is kept for each network namespace
//! - [`table`]: which device an `if_id` belongs to
//! - [`encap`]: how routes name the connection of their packets
//! - `ethtool`: their private flags
//! - [`stats`]: their statistics
//!
//! Packets on their way out:
//!
//! - [`transmit`]: what is done to each of them
//! - [`look_up`]: through which states one goes
//! - [`tunnel_id`]: TC and Open vSwitch name the connection
//! - [`next_hop`]: a route names a router instead
//! - [`key`]: what tells one look-up from another
//! - [`remembered`]: what is remembered for the packets that follow
//! - [`caches`]: where each CPU remembers it: for how long, and in how much memory
//! - [`cache`]: a table that forgets, and grows with its use
//! - [`sets`]: what stays in a table, and what gives way
//! - [`hash`]: where in it a key belongs
//! - [`changes`]: what a look-up depends on, and who tells when that changes
//! - [`wait`]: packets that wait for states
//! - `shadow`: a second opinion on what is remembered, for debugging (`SHADOW=1`)
//!
//! Packets on their way in:
//!
//! - [`receive`]: which device they came in by
//! - [`session`]: which policies they have to satisfy
//! - [`ingress`]: whether they satisfy them before somebody redirects them
//! - [`vrf_by_route`]: by which VRF they come in, from [`claims`], [`leads`] and [`owners`]
//! - [`errors`]: ICMP errors about packets that went out
//!
//! `docs/architecture.md` shows how they work together.
//!
//! C source: [`net/xfrm/xfrm_interface_core.c`](srctree/net/xfrm/xfrm_interface_core.c), the C
//! driver

#![forbid(unsafe_code)]

pub(crate) mod cache;
pub(crate) mod caches;
pub(crate) mod changes;
pub(crate) mod claims;
pub(crate) mod encap;
pub(crate) mod errors;
mod ethtool;
pub(crate) mod hash;
pub(crate) mod if_id;
pub(crate) mod ingress;
pub(crate) mod interface;
pub(crate) mod key;
pub(crate) mod leads;
pub(crate) mod link;
pub(crate) mod look_up;
pub(crate) mod namespace;
pub(crate) mod next_hop;
pub(crate) mod owners;
pub(crate) mod receive;
pub(crate) mod remembered;
pub(crate) mod session;
pub(crate) mod sets;
#[cfg(SHADOW)]
mod shadow;
pub(crate) mod stats;
pub(crate) mod table;
pub(crate) mod transmit;
pub(crate) mod tunnel_id;
pub(crate) mod vrf_by_route;
pub(crate) mod wait;
