// SPDX-License-Identifier: GPL-2.0

//! Network namespaces.
//!
//! C header: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h)

use super::atomic::read_once;

use crate::bindings;

use core::ptr;

use kernel::{
    num::casts::usize_as_u64,
    types::Opaque, //
};

/// A network namespace.
///
/// # Invariants
///
/// Whoever has a reference has it from something that keeps the namespace alive: a device, a
/// packet or a state of it, or a callback of the kernel's about it. The per-namespace data of
/// modules is live for as long.
#[repr(transparent)]
pub(crate) struct Net(Opaque<bindings::net>);

// SAFETY: `struct net` is shared between CPUs; the methods here only read what does not change.
unsafe impl Send for Net {}
// SAFETY: As above.
unsafe impl Sync for Net {}

impl Net {
    /// # Safety
    ///
    /// `ptr` is to a namespace that stays alive for `'a`, as the type invariant says.
    pub(super) unsafe fn from_raw<'a>(ptr: *const bindings::net) -> &'a Self {
        // SAFETY: The layout is the same, and the contract is the caller's.
        unsafe { &*ptr.cast() }
    }

    /// The namespace in a field that kernels without namespaces do not have.
    ///
    /// # Safety
    ///
    /// `net` is valid for reads, though others may write there, and says a namespace that stays
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
        // SAFETY: As above. The first namespace is always there.
        unsafe { Self::from_raw(net) }
    }

    pub(crate) fn as_raw(&self) -> *mut bindings::net {
        self.0.get()
    }

    /// What tells the namespace from others that are live at the same time.
    pub(crate) fn id(&self) -> u64 {
        usize_as_u64(self.as_raw().addr())
    }

    /// Whether both are the same namespace.
    pub(crate) fn is(&self, other: &Self) -> bool {
        ptr::eq(self, other)
    }
}
