// SPDX-License-Identifier: GPL-2.0

//! Whether the routes and routing rules of a namespace have changed.
//!
//! The kernel counts changes, and so does not call anybody: what is looked up often compares a
//! number. That a route of IPv6 itself is still valid, as `dst_check()` says, does not mean that a
//! look-up would find it. For IPv4 it does: with any change of routes, rules or addresses
//! (`rt_cache_flush()`) all routes of the namespace become invalid.
//!
//! C headers: [`include/net/ip_fib.h`](srctree/include/net/ip_fib.h),
//! [`include/net/ip6_fib.h`](srctree/include/net/ip6_fib.h)

use super::{
    atomic::read_acquire,
    net_namespace::Net, //
};

impl Net {
    /// The number of changes of nexthop objects (`ip nexthop`), counted after they can be found.
    /// Routes that use a group do not notice when one of its members is replaced.
    pub(crate) fn nexthop_changes(&self) -> u32 {
        // SAFETY: The namespace is live. Writers hold RTNL, and write the whole field.
        unsafe { read_acquire(&raw mut (*self.as_raw()).nexthop.seq) }
    }

    /// The number of changes of IPv6 routes, rules and nexthops. Routes that are added are counted
    /// before they can be found, and a grace period that begins in between ends after it: they are
    /// inserted with softirqs disabled.
    #[cfg(CONFIG_IPV6)]
    pub(crate) fn inet6_changes(&self) -> u32 {
        // SAFETY: The namespace is live, and the field accessed atomically.
        let added = unsafe { read_acquire(&raw mut (*self.as_raw()).ipv6.fib6_sernum.counter) };
        // SAFETY: The namespace is live. The statistics are there as long as it has IPv6.
        let stats = unsafe { (*self.as_raw()).ipv6.rt6_stats };
        if stats.is_null() {
            return 0;
        }
        // SAFETY: As above. Writers hold locks, and write the whole field.
        let removed: u32 = unsafe { read_acquire(&raw mut (*stats).fib_discarded_routes) };
        // CAST: The number is a pattern of bits.
        (added as u32).wrapping_add(removed)
    }

    /// There is no IPv6.
    #[cfg(not(CONFIG_IPV6))]
    pub(crate) fn inet6_changes(&self) -> u32 {
        0
    }
}
