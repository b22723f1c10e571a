// SPDX-License-Identifier: GPL-2.0

//! Safe abstractions over the kernel's networking.
//!
//! All unsafe code of the module lives below this directory. Nothing in it knows of XFRM
//! interfaces: each file wraps one subsystem and could be sent upstream on its own.
//!
//! Execution contexts are values: [`rtnl::Rtnl`] shows that RTNL is held,
//! [`kernel::sync::rcu::Guard`] that an RCU read-side critical section is open. What needs a
//! context takes its token.

pub(crate) mod atomic;
pub(crate) mod device_events;
pub(crate) mod dst;
pub(crate) mod fib;
pub(crate) mod flow;
pub(crate) mod global;
pub(crate) mod icmp;
pub(crate) mod init;
pub(crate) mod jiffies;
pub(crate) mod link;
pub(crate) mod neighbour;
pub(crate) mod net_namespace;
pub(crate) mod netdevice;
pub(crate) mod netlink;
pub(crate) mod notifier;
pub(crate) mod per_cpu;
pub(crate) mod percpu_ref;
pub(crate) mod pernet;
pub(crate) mod rcu;
pub(crate) mod rhashtable;
pub(crate) mod rtnl;
pub(crate) mod skb;
#[cfg(all(KUNIT_TESTS, CONFIG_KUNIT = "y"))]
pub(crate) mod tests;
pub(crate) mod timer;
pub(crate) mod try_lock;
pub(crate) mod xfrm;

use crate::bindings;

use kernel::num::casts::u32_into_u16;

/// The address families of the packets that the stack routes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// IPv4 (`AF_INET`).
    Inet,
    /// IPv6 (`AF_INET6`).
    Inet6,
}

impl Family {
    /// The family's number, as the C side takes it.
    pub(crate) const fn as_raw(self) -> u16 {
        match self {
            Family::Inet => u32_into_u16::<{ bindings::AF_INET }>(),
            Family::Inet6 => u32_into_u16::<{ bindings::AF_INET6 }>(),
        }
    }

    /// The family with the number `family`, if it is one of the two.
    pub(crate) const fn from_raw(family: u32) -> Option<Self> {
        match family {
            bindings::AF_INET => Some(Family::Inet),
            bindings::AF_INET6 => Some(Family::Inet6),
            _ => None,
        }
    }
}

/// A random number, for seeds.
pub(crate) fn random_u64() -> u64 {
    // SAFETY: It may be called from any context.
    unsafe { bindings::get_random_u64() }
}
