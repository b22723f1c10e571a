// SPDX-License-Identifier: GPL-2.0

//! Safe abstractions over the kernel's networking.
//!
//! All unsafe code of the module lives below this directory. Nothing in it knows of XFRM
//! interfaces: each file wraps one subsystem and could be sent upstream on its own.
//!
//! # Contexts
//!
//! An execution context is a value. A function that needs a context takes a reference to its token,
//! and the token's lifetime bounds what the function returns:
//!
//! - [`rtnl::Rtnl`] shows that the current thread holds RTNL, which it may do only in process
//!   context. It may sleep.
//! - [`kernel::sync::rcu::Guard`] shows that an RCU read-side critical section is open. Code in it
//!   must not sleep.
//! - A function without a token may be called from any context, unless its documentation says that
//!   it may sleep, or that softirqs have to be disabled.
//!
//! # Lifetimes
//!
//! A reference to a [`netdevice::NetDevice`] or a [`link::Device`] is bound to the critical section
//! in which it was found. [`link::KeptDevice`] keeps a device for longer. A reference to a
//! [`net_namespace::Net`] is bound to what it was obtained from. [`pernet::Hold`] keeps the
//! namespace of packets that are stored.
//!
//! # Examples
//!
//! A function finds a device, looks at it, and is done with it before the critical section ends:
//!
//! ```
//! use crate::net::{
//!     net_namespace::Net,
//!     netdevice::NetDevice, //
//! };
//!
//! use kernel::sync::rcu;
//!
//! fn is_up(net: &Net, ifindex: c_int) -> bool {
//!     let rcu = rcu::read_lock();
//!     NetDevice::by_index(net, ifindex, &rcu).is_some_and(NetDevice::is_up)
//! }
//!
//! # use crate::net::tests::bundle_key::init_net;
//! // No device has the index 0.
//! assert!(!is_up(init_net(), 0));
//! ```

pub(crate) mod atomic;
pub(crate) mod bh_lock;
pub(crate) mod counters;
pub(crate) mod device_events;
pub(crate) mod dst;
pub(crate) mod fib;
pub(crate) mod fib_events;
pub(crate) mod flow;
pub(crate) mod global;
pub(crate) mod hash;
pub(crate) mod icmp;
pub(crate) mod init;
pub(crate) mod jiffies;
pub(crate) mod link;
pub(crate) mod neighbour;
pub(crate) mod net_namespace;
pub(crate) mod netdevice;
pub(crate) mod netlink;
pub(crate) mod nexthop;
pub(crate) mod notifier;
pub(crate) mod origin;
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
pub(crate) mod trace;
pub(crate) mod try_lock;
pub(crate) mod work;
pub(crate) mod xfrm;

use crate::{
    bindings,
    compat::casts::u32_into_u16, //
};

/// An address family of packets that the stack routes.
///
/// # Examples
///
/// ```
/// use crate::net::Family;
///
/// assert!(Family::from_raw(2) == Some(Family::Inet));
/// assert!(Family::from_raw(u32::from(Family::Inet6.as_raw())) == Some(Family::Inet6));
/// // AF_UNIX
/// assert!(Family::from_raw(1).is_none());
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// IPv4 (`AF_INET`).
    Inet,
    /// IPv6 (`AF_INET6`).
    Inet6,
}

impl Family {
    /// Returns the number of the family, as C functions take it.
    pub(crate) const fn as_raw(self) -> u16 {
        match self {
            Family::Inet => u32_into_u16::<{ bindings::AF_INET }>(),
            Family::Inet6 => u32_into_u16::<{ bindings::AF_INET6 }>(),
        }
    }

    /// Returns the family with the number `family`, or `None` if it is neither of the two.
    pub(crate) const fn from_raw(family: u32) -> Option<Self> {
        match family {
            bindings::AF_INET => Some(Family::Inet),
            bindings::AF_INET6 => Some(Family::Inet6),
            _ => None,
        }
    }
}

/// Returns a random number, for seeds (`get_random_u64()`).
pub(crate) fn random_u64() -> u64 {
    // SAFETY: It may be called from any context.
    unsafe { bindings::get_random_u64() }
}
