// SPDX-License-Identifier: GPL-2.0

//! Nexthops: where a route sends packets, by itself or through a nexthop object (`ip nexthop`).
//!
//! A [`Nexthop`] is an object that routes refer to. It is a nexthop or a group of them, and can be
//! changed while routes refer to it. A [`Path`] is one nexthop of an object or of a route.
//!
//! Both are read under RCU.
//!
//! C header: [`include/net/nexthop.h`](srctree/include/net/nexthop.h), `struct nexthop`; C source:
//! [`net/ipv4/nexthop.c`](srctree/net/ipv4/nexthop.c)
//!
//! # Examples
//!
//! ```
//! use crate::net::{
//!     netdevice::NetDevice,
//!     nexthop::Nexthop, //
//! };
//!
//! use kernel::sync::rcu;
//!
//! /// Whether the object sends packets through `dev`.
//! fn leads_to(nexthop: &Nexthop, dev: &NetDevice, rcu: &rcu::Guard) -> bool {
//!     nexthop.paths(rcu).any(|path| path.device().is_some_and(|it| it.is(dev)))
//! }
//! # let _: fn(&Nexthop, &NetDevice, &rcu::Guard) -> bool = leads_to;
//! ```

use super::netdevice::NetDevice;

use crate::bindings;

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

use kernel::{
    prelude::*,
    sync::{
        aref::AlwaysRefCounted,
        rcu, //
    },
    types::Opaque, //
};

/// A nexthop object (`struct nexthop`).
#[repr(transparent)]
pub(crate) struct Nexthop(Opaque<bindings::nexthop>);

// SAFETY: It is shared between CPUs, and read under RCU.
unsafe impl Send for Nexthop {}
// SAFETY: As above.
unsafe impl Sync for Nexthop {}

// SAFETY: A nexthop object is freed when its count is zero.
unsafe impl AlwaysRefCounted for Nexthop {
    fn inc_ref(&self) {
        // SAFETY: The reference shows that the object is live, and its count not zero.
        unsafe { bindings::nexthop_get(self.as_raw()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference.
        unsafe { bindings::nexthop_put(obj.as_ptr().cast()) };
    }
}

impl Nexthop {
    /// Makes a reference from a pointer.
    ///
    /// # Safety
    ///
    /// Somebody holds a reference to the object for `'a`.
    pub(super) unsafe fn from_raw<'a>(ptr: *const bindings::nexthop) -> &'a Self {
        // SAFETY: The layout is the same, and the contract is the caller's.
        unsafe { &*ptr.cast() }
    }

    /// Returns the pointer that C functions take.
    fn as_raw(&self) -> *mut bindings::nexthop {
        self.0.get()
    }

    /// Returns the number of the object (`nh->id`).
    pub(crate) fn id(&self) -> u32 {
        // SAFETY: The object is live, and its number does not change.
        unsafe { (*self.as_raw()).id }
    }

    /// Returns the nexthops that the object has now: one, or those of the group.
    pub(crate) fn paths<'g>(&'g self, _rcu: &'g rcu::Guard) -> impl Iterator<Item = Path<'g>> {
        // SAFETY: The object is live, and RCU is held.
        let count = unsafe { bindings::nexthop_num_path(self.as_raw()) };
        (0..count).filter_map(move |index| {
            // SAFETY: As above. Where the group has become smaller there is none. What is returned
            // lives through the critical section.
            // CAST: A group has at most 65,536 nexthops.
            unsafe { Path::from_raw(bindings::nexthop_fib_nhc(self.as_raw(), index as c_int)) }
        })
    }
}

/// Where packets are sent to (`struct fib_nh_common`).
///
/// # Invariants
///
/// The pointer is to a nexthop that lives for `'a`. So do its device and its tunnel state.
pub(crate) struct Path<'a> {
    nhc: NonNull<bindings::fib_nh_common>,
    _nexthop: PhantomData<&'a bindings::fib_nh_common>,
}

impl<'a> Path<'a> {
    /// Wraps a nexthop, if there is one.
    ///
    /// # Safety
    ///
    /// `nhc` is null or as the type invariant says.
    pub(super) unsafe fn from_raw(nhc: *mut bindings::fib_nh_common) -> Option<Self> {
        // INVARIANT: The contract of this function.
        Some(Self {
            nhc: NonNull::new(nhc)?,
            _nexthop: PhantomData,
        })
    }

    /// Returns the device through which packets leave, if there is one: a blackhole has none.
    pub(crate) fn device(&self) -> Option<&'a NetDevice> {
        // SAFETY: By the type invariant.
        let dev = unsafe { self.nhc.as_ref().nhc_dev };
        // SAFETY: By the type invariant.
        (!dev.is_null()).then(|| unsafe { NetDevice::from_raw(dev) })
    }

    /// Returns what the nexthop says of tunnels (`encap`), if anything.
    pub(super) fn tunnel_state(&self) -> Option<&'a bindings::lwtunnel_state> {
        // SAFETY: By the type invariant.
        unsafe { self.nhc.as_ref().nhc_lwtstate.as_ref() }
    }
}
