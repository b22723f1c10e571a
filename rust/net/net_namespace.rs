// SPDX-License-Identifier: GPL-2.0

//! Network namespaces.
//!
//! A [`Net`] is found through something that belongs to it: a device, a packet, or a callback of
//! the kernel. Its methods can be used in any context. [`pernet`](super::pernet) keeps data in
//! every namespace.
//!
//! C header: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h)
//!
//! # Examples
//!
//! A cache notes the namespace of what it stores, without a reference to the namespace:
//!
//! ```
//! use crate::net::net_namespace::Net;
//!
//! struct Stored {
//!     net: u64,
//! }
//!
//! impl Stored {
//!     fn is_of(&self, net: &Net) -> bool {
//!         self.net == net.id()
//!     }
//! }
//!
//! # use crate::net::tests::bundle_key::init_net;
//! # let net = init_net();
//! let stored = Stored { net: net.id() };
//! assert!(stored.is_of(net));
//! assert!(net.is(net));
//! ```

use super::atomic::read_once;

use crate::{
    bindings,
    compat::casts::usize_as_u64, //
};

use core::ptr;

use kernel::types::Opaque;

/// A network namespace (`struct net`).
///
/// # Invariants
///
/// Whoever has a reference has it from something that keeps the namespace alive: a device, a packet
/// or a state of it, or a callback of the kernel about it. The data that modules keep in the
/// namespace live as long.
#[repr(transparent)]
pub(crate) struct Net(Opaque<bindings::net>);

// SAFETY: `struct net` is shared between CPUs; the methods here only read what does not change.
unsafe impl Send for Net {}
// SAFETY: As above.
unsafe impl Sync for Net {}

impl Net {
    /// Makes a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` is to a namespace that stays alive for `'a`, as the type invariant says.
    pub(super) unsafe fn from_raw<'a>(ptr: *const bindings::net) -> &'a Self {
        // SAFETY: The layout is the same, and the contract is the caller's.
        unsafe { &*ptr.cast() }
    }

    /// Makes a reference from a field that kernels without namespaces do not have (`read_pnet()`).
    ///
    /// # Safety
    ///
    /// `net` is valid for reads, though others may write there. It names a namespace that stays
    /// alive for `'a`, as the type invariant says.
    pub(super) unsafe fn from_possible<'a>(net: *const bindings::possible_net_t) -> &'a Self {
        #[cfg(CONFIG_NET_NS)]
        // SAFETY: The contract of this function.
        let net = unsafe { read_once(&raw const (*net).net) };
        #[cfg(not(CONFIG_NET_NS))]
        let net = {
            let _ = net;
            (&raw const kernel::bindings::init_net).cast()
        };
        // SAFETY: The contract of this function. The first namespace is always there.
        unsafe { Self::from_raw(net) }
    }

    /// Returns the pointer that C functions take.
    pub(crate) fn as_raw(&self) -> *mut bindings::net {
        self.0.get()
    }

    /// Returns a number that no other live namespace has.
    pub(crate) fn id(&self) -> u64 {
        usize_as_u64(self.as_raw().addr())
    }

    /// Returns whether both are the same namespace (`net_eq()`).
    pub(crate) fn is(&self, other: &Self) -> bool {
        ptr::eq(self, other)
    }
}
