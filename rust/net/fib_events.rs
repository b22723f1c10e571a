// SPDX-License-Identifier: GPL-2.0

//! Events of the routing tables: which route the kernel uses for a prefix.
//!
//! The kernel tells of one route for each prefix of a table, and of its ECMP siblings: the one with
//! the best metric. Those that it hides are told of when they take its place.
//!
//! Events come in atomic context, under RCU: for IPv4 with RTNL held, for IPv6 with the lock of the
//! table. A [`FibEvent`] is valid for the call.
//!
//! C headers: [`include/net/fib_notifier.h`](srctree/include/net/fib_notifier.h),
//! [`include/net/ip_fib.h`](srctree/include/net/ip_fib.h),
//! [`include/net/ip6_fib.h`](srctree/include/net/ip6_fib.h)
//!
//! # Examples
//!
//! ```
//! use crate::net::fib_events::FibEvent;
//!
//! /// How many routes to the prefix leave through a nexthop object.
//! fn count(event: &FibEvent<'_>) -> usize {
//!     event.routes().filter(|route| route.nexthop().is_some()).count()
//! }
//! # let _: fn(&FibEvent<'_>) -> usize = count;
//! ```

use super::nexthop::{
    Nexthop,
    Path, //
};

use crate::{
    bindings,
    net::{
        atomic::read_once,
        Family, //
    }, //
};

use core::marker::PhantomData;

use kernel::{
    prelude::*,
    sync::rcu, //
};

/// A prefix of a routing table. Prefixes are in an order that means nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Prefix {
    /// The number of the table.
    pub(crate) table: u32,
    family: u16,
    /// The addresses in network byte order; one of IPv4 is the first word.
    destination: [u32; 4],
    source: [u32; 4],
    destination_len: u8,
    source_len: u8,
}

impl Prefix {
    /// Returns whether the table is one of those that every namespace has (`RT_TABLE_MAIN`,
    /// `RT_TABLE_LOCAL`, `RT_TABLE_DEFAULT`), and which are no VRF's.
    pub(crate) fn is_of_no_vrf(&self) -> bool {
        matches!(
            self.table,
            bindings::rt_class_t_RT_TABLE_DEFAULT
                | bindings::rt_class_t_RT_TABLE_MAIN
                | bindings::rt_class_t_RT_TABLE_LOCAL
        )
    }
}

/// What has happened to the routes of a prefix.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// They are used from now on, and none that was used before (`FIB_EVENT_ENTRY_REPLACE`).
    Replace,
    /// They are used from now on, besides those that are used already
    /// (`FIB_EVENT_ENTRY_APPEND`).
    Append,
    /// They are used no more (`FIB_EVENT_ENTRY_DEL`).
    Delete,
}

impl Change {
    /// The change that an event tells of; `None` for events of another kind.
    fn from_raw(event: c_ulong) -> Option<Self> {
        match u32::try_from(event).ok()? {
            bindings::fib_event_type_FIB_EVENT_ENTRY_REPLACE => Some(Self::Replace),
            bindings::fib_event_type_FIB_EVENT_ENTRY_APPEND => Some(Self::Append),
            bindings::fib_event_type_FIB_EVENT_ENTRY_DEL => Some(Self::Delete),
            _ => None,
        }
    }
}

/// A change of the routes to a prefix.
pub(crate) struct FibEvent<'a> {
    /// What has happened.
    pub(crate) change: Change,
    /// The prefix.
    pub(crate) prefix: Prefix,
    route: Route<'a>,
}

impl<'a> FibEvent<'a> {
    /// Reads an event; `None` if it tells of something else than routes of IPv4 and IPv6.
    ///
    /// # Safety
    ///
    /// The chain of FIB events has passed both, in the critical section `rcu`.
    pub(super) unsafe fn from_raw(
        event: c_ulong,
        info: *const c_void,
        _rcu: &'a rcu::Guard,
    ) -> Option<Self> {
        let change = Change::from_raw(event)?;
        // SAFETY: By the contract of this function; what is passed begins with this structure.
        let family = unsafe { (*info.cast::<bindings::fib_notifier_info>()).family };
        let family = Family::from_raw(family.try_into().ok()?)?;
        // SAFETY: The family says which structure it is, and the kernel keeps the route while it
        // tells of it.
        let (prefix, route) = unsafe {
            match family {
                Family::Inet => Self::read_inet(info.cast()),
                Family::Inet6 => Self::read_inet6(info.cast()),
            }
        };
        Some(Self {
            change,
            prefix,
            route,
        })
    }

    /// Reads what is passed for a route of IPv4.
    ///
    /// # Safety
    ///
    /// `info` is that, and its route is live for `'a`.
    unsafe fn read_inet(info: *const bindings::fib_entry_notifier_info) -> (Prefix, Route<'a>) {
        // SAFETY: The contract of this function.
        let info = unsafe { &*info };
        let prefix = Prefix {
            table: info.tb_id,
            family: Family::Inet.as_raw(),
            destination: [info.dst.to_be(), 0, 0, 0],
            source: [0; 4],
            // CAST: It is at most 32.
            destination_len: info.dst_len as u8,
            source_len: 0,
        };
        (prefix, Route(RawRoute::Inet(info.fi), PhantomData))
    }

    /// Reads what is passed for a route of IPv6.
    ///
    /// # Safety
    ///
    /// `info` is that, and its route is live for `'a`.
    unsafe fn read_inet6(info: *const bindings::fib6_entry_notifier_info) -> (Prefix, Route<'a>) {
        // SAFETY: The contract of this function. Routes of which events tell are in a table. All
        // members of the unions are views of the same bytes.
        let (raw, prefix) = unsafe {
            let raw = (*info).rt;
            let prefix = Prefix {
                table: (*(*raw).fib6_table).tb6_id,
                family: Family::Inet6.as_raw(),
                destination: (*raw).fib6_dst.addr.in6_u.u6_addr32,
                source: (*raw).fib6_src.addr.in6_u.u6_addr32,
                destination_len: u8::try_from((*raw).fib6_dst.plen).unwrap_or(u8::MAX),
                source_len: u8::try_from((*raw).fib6_src.plen).unwrap_or(u8::MAX),
            };
            (raw, prefix)
        };
        (prefix, Route(RawRoute::Inet6(raw), PhantomData))
    }

    /// Returns the routes that the event tells of. ECMP routes of IPv6 are several.
    pub(crate) fn routes(&self) -> impl Iterator<Item = Route<'a>> {
        Iterator::chain(core::iter::once(self.route), self.route.siblings())
    }
}

/// A route, in either family.
#[derive(Clone, Copy)]
enum RawRoute {
    Inet(*mut bindings::fib_info),
    Inet6(*mut bindings::fib6_info),
}

/// A route of which an event tells.
///
/// # Invariants
///
/// The pointer is to a route that is live for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct Route<'a>(RawRoute, PhantomData<&'a bindings::fib_info>);

impl<'a> Route<'a> {
    /// Returns a number that no other route to the same prefix has.
    pub(crate) fn id(&self) -> usize {
        match self.0 {
            RawRoute::Inet(route) => route.addr(),
            RawRoute::Inet6(route) => route.addr(),
        }
    }

    /// Returns the nexthop object through which packets are sent, if the route refers to one.
    pub(crate) fn nexthop(&self) -> Option<&'a Nexthop> {
        // SAFETY: By the type invariant. The object does not change, and the route has a reference
        // to it.
        unsafe {
            let nexthop = match self.0 {
                RawRoute::Inet(route) => (*route).nh,
                RawRoute::Inet6(route) => (*route).nh,
            };
            (!nexthop.is_null()).then(|| Nexthop::from_raw(nexthop))
        }
    }

    /// Returns the nexthops of a route that refers to no object.
    pub(crate) fn paths(&self) -> impl Iterator<Item = Path<'a>> {
        let count = match self.0 {
            _ if self.nexthop().is_some() => 0,
            // SAFETY: By the type invariant; the number does not change.
            RawRoute::Inet(route) => unsafe { (*route).fib_nhs },
            RawRoute::Inet6(_) => 1,
        };
        let raw = self.0;
        (0..count).filter_map(move |index| {
            // SAFETY: The route has so many, by the type invariant; one of IPv6 begins with what
            // both families have.
            unsafe {
                Path::from_raw(match raw {
                    RawRoute::Inet(route) => bindings::fib_info_nhc(route, index),
                    RawRoute::Inet6(route) => (&raw mut (*route).fib6_nh).cast(),
                })
            }
        })
    }

    /// Returns the ECMP siblings, which are routes of their own in IPv6. Those that refer to a
    /// nexthop object have none.
    fn siblings(self) -> impl Iterator<Item = Route<'a>> {
        let (raw, count) = match self.0 {
            RawRoute::Inet6(route) if self.nexthop().is_none() => {
                // SAFETY: By the type invariant.
                (route, unsafe {
                    read_once(&raw const (*route).fib6_nsiblings)
                })
            }
            _ => (core::ptr::null_mut(), 0),
        };
        let mut last = raw;
        // A route that is taken out meanwhile still knows the next one, but may be met no more: so
        // they are counted.
        (0..count).map_while(move |_| {
            // SAFETY: Siblings are linked through this field, and freed a grace period after they
            // were taken out.
            last = unsafe {
                let node = &raw const (*last).__bindgen_anon_1.fib6_siblings;
                let next: *mut bindings::list_head = read_once(&raw const (*node).next);
                let siblings: *mut bindings::fib6_info__bindgen_ty_1 = next.cast();
                kernel::container_of!(siblings, bindings::fib6_info, __bindgen_anon_1)
            };
            // INVARIANT: As above.
            (!core::ptr::eq(last, raw)).then_some(Route(RawRoute::Inet6(last), PhantomData))
        })
    }
}
