// SPDX-License-Identifier: GPL-2.0

//! Counters that tell whether the routes and routing rules of a namespace have changed.
//!
//! The kernel counts changes, and calls nobody. Code that repeats a look-up for every packet can
//! compare a number instead. The validity of a route (`dst_check()`) is another question. A route
//! of IPv6 may still be valid although a look-up would find a different one. For IPv4 the two
//! agree: any change of routes, rules or addresses (`rt_cache_flush()`) invalidates all routes of
//! the namespace.
//!
//! The counters can be read in any context.
//!
//! C headers: [`include/net/ip_fib.h`](srctree/include/net/ip_fib.h),
//! [`include/net/ip6_fib.h`](srctree/include/net/ip6_fib.h)
//!
//! # Examples
//!
//! The result of a look-up is used again until something changes:
//!
//! ```
//! use crate::net::net_namespace::Net;
//!
//! struct Remembered {
//!     changes: u32,
//! }
//!
//! impl Remembered {
//!     /// To be called before the look-up, so that a change meanwhile is not missed.
//!     fn begin(net: &Net) -> Self {
//!         Self { changes: Self::changes(net) }
//!     }
//!
//!     fn is_current(&self, net: &Net) -> bool {
//!         self.changes == Self::changes(net)
//!     }
//!
//!     fn changes(net: &Net) -> u32 {
//!         // Neither counter ever goes back, so their sum does not, either.
//!         net.inet6_changes().wrapping_add(net.nexthop_changes())
//!     }
//! }
//! # let _: fn(&Net) -> Remembered = Remembered::begin;
//! # let _: fn(&Remembered, &Net) -> bool = Remembered::is_current;
//! ```

use super::{
    atomic::read_acquire,
    net_namespace::Net, //
};

impl Net {
    /// Returns the number of changes of nexthop objects (`ip nexthop`). A change is counted once
    /// look-ups can find it.
    ///
    /// Routes that use a group of nexthops stay valid when one of its members is replaced, so this
    /// counts for IPv4, too.
    pub(crate) fn nexthop_changes(&self) -> u32 {
        // SAFETY: The namespace is live. Writers hold RTNL, and write the whole field.
        unsafe { read_acquire(&raw mut (*self.as_raw()).nexthop.seq) }
    }

    /// Returns the number of changes of IPv6 routes, rules and nexthops.
    ///
    /// A route that is added is counted before look-ups can find it. The kernel inserts it with
    /// softirqs disabled, so a grace period that begins in between ends after the insertion.
    #[cfg(CONFIG_IPV6)]
    pub(crate) fn inet6_changes(&self) -> u32 {
        // SAFETY: The namespace is live, and the field accessed atomically.
        let added = unsafe { read_acquire(&raw mut (*self.as_raw()).ipv6.fib6_sernum.counter) };
        // SAFETY: The namespace is live. The statistics are there as long as it has IPv6.
        let stats = unsafe { (*self.as_raw()).ipv6.rt6_stats };
        if stats.is_null() {
            return 0;
        }
        // SAFETY: The namespace is live, and so are its statistics. Writers hold locks, and write
        // the whole field.
        let removed: u32 = unsafe { read_acquire(&raw mut (*stats).fib_discarded_routes) };
        // CAST: The number is a pattern of bits.
        (added as u32).wrapping_add(removed)
    }

    /// Returns 0: the kernel has no IPv6.
    #[cfg(not(CONFIG_IPV6))]
    pub(crate) fn inet6_changes(&self) -> u32 {
        0
    }
}
