// SPDX-License-Identifier: GPL-2.0

//! XFRM interfaces: network devices through which IPsec connections are told apart.
//!
//! A *static* device carries the connection whose policies and states have its `if_id`. The
//! *external* device of a namespace (`collect_md`) carries every other connection that has an
//! `if_id`: which one, says the metadata of each packet or the route that it takes.
//!
//! - [`link`]: how the devices are created, changed and dumped
//! - [`if_id`]: the `if_id` of a static device, and what it was before
//! - [`namespace`]: what is kept for each network namespace
//! - [`table`]: which device an `if_id` belongs to
//! - [`encap`]: how routes name the connection of their packets
//! - [`transmit`]: packets on their way out
//! - [`wait`]: those of them that wait for states
//! - [`changes`]: what a look-up depends on, and who tells when that changes
//! - [`caches`]: what is remembered for the packets that follow, in the tables of [`cache`]
//! - [`receive`]: packets on their way in
//! - [`errors`]: ICMP errors about packets that went out
//! - [`session`]: what the policy check asks about packets that came in
//!
//! The C driver is [`net/xfrm/xfrm_interface_core.c`](srctree/net/xfrm/xfrm_interface_core.c).

#![forbid(unsafe_code)]

pub(crate) mod cache;
pub(crate) mod changes;
pub(crate) mod encap;
pub(crate) mod errors;
pub(crate) mod if_id;
pub(crate) mod interface;
pub(crate) mod key;
pub(crate) mod link;
pub(crate) mod look_up;
pub(crate) mod namespace;
pub(crate) mod receive;
pub(crate) mod remembered;
pub(crate) mod session;
#[cfg(SHADOW)]
mod shadow;
pub(crate) mod table;
pub(crate) mod transmit;
pub(crate) mod wait;
