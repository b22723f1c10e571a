// SPDX-License-Identifier: GPL-2.0

//! Which VRF a connection belongs to: that whose routes lead to it.
//!
//! What is known of routes, nexthop objects and VRFs ([`leads`](super::leads)) is kept under a lock.
//! What follows from it ([`owners`](super::owners)) is read for each packet, under RCU and without
//! the lock.
//!
//! Changes are told of in any context but that of hard interrupts. Nothing here sleeps.
//!
//! What does not fit into memory is not known. Then nobody can say whose a connection is, until
//! all is forgotten and told anew.
//!
//! # Examples
//!
//! ```
//! use crate::{
//!     net::netdevice::NetDevice,
//!     xfrmi::{
//!         claims::Claims,
//!         owners::Owner, //
//!     }, //
//! };
//!
//! use kernel::sync::rcu;
//!
//! /// Whether a packet of the connection 7 comes in by a VRF.
//! fn has_vrf(claims: &Claims, dev: &NetDevice, rcu: &rcu::Guard) -> bool {
//!     matches!(claims.owner(7, dev, rcu), Owner::Vrf(_))
//! }
//! # let _ = has_vrf;
//!
//! let claims = KBox::pin_init(Claims::new(), GFP_KERNEL)?;
//! // Nothing is known yet.
//! claims.forget(&rcu::read_lock());
//! ```

use super::{
    leads::{
        Editor,
        Known,
        Lead, //
    },
    owners::{
        Owner,
        Owners, //
    }, //
};

use crate::net::{
    atomic::load_acquire,
    bh_lock::BhSpinLock,
    fib_events::{
        Change,
        Prefix, //
    },
    net_namespace::Net,
    netdevice::NetDevice, //
};

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Release, //
        },
        rcu, //
    }, //
};

/// Whether what is known can be relied on ([`Claims::doubt`]): it can.
const NONE: u32 = 0;

/// Nexthop objects are changing that routes refer to.
const CHANGING: u32 = 1;

/// Something is not known, for lack of memory.
const INCOMPLETE: u32 = 2;

/// Which VRF each connection of a device belongs to.
#[pin_data]
pub(crate) struct Claims {
    #[pin]
    owners: Owners,
    #[pin]
    known: BhSpinLock<Known>,
    /// [`NONE`], [`CHANGING`] or [`INCOMPLETE`]. It is written under the lock.
    doubt: Atomic<u32>,
}

impl Claims {
    /// Knows nothing yet. Fails for lack of memory.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            owners <- Owners::new(),
            known <- BhSpinLock::new(Known::default()),
            doubt: Atomic::new(NONE),
        })
    }

    /// Whose the connection `if_id` of the device `dev` is.
    #[inline]
    pub(crate) fn owner(&self, if_id: u32, dev: &NetDevice, rcu: &rcu::Guard) -> Owner {
        if load_acquire(&self.doubt) != NONE && !self.settle(dev, rcu) {
            return Owner::Unknown;
        }
        self.owners.get(if_id, rcu)
    }

    /// Changes what is known. If that fails, it is not known any more.
    fn edit<R>(&self, rcu: &rcu::Guard, f: impl FnOnce(&mut Editor<'_>) -> Result<R>) -> Result<R> {
        self.known.with(|known| {
            let owners = &self.owners;
            let mut editor = Editor { known, owners, rcu };
            let edited = f(&mut editor);
            let doubt = match edited {
                _ if load_acquire(&self.doubt) == INCOMPLETE => INCOMPLETE,
                Err(_) => INCOMPLETE,
                Ok(_) if editor.is_changing() => CHANGING,
                Ok(_) => NONE,
            };
            self.doubt.store(doubt, Release);
            edited
        })
    }

    /// Is told of a change of the routes to `prefix`. Fails for lack of memory.
    pub(crate) fn routes_changed<'l>(
        &self,
        change: Change,
        prefix: Prefix,
        leads: impl Iterator<Item = Lead<'l>>,
        dev: &NetDevice,
        rcu: &rcu::Guard,
    ) -> Result {
        self.edit(rcu, |editor| editor.change(change, prefix, leads, dev))
    }

    /// Is told that a change of the nexthop object `id` is about to come, or under way, in `net`.
    pub(crate) fn nexthop_changes(&self, id: u32, net: &Net, rcu: &rcu::Guard) {
        // What it fails for is noted.
        let _ = self.edit(rcu, |editor| {
            editor.object_changes(id, net.nexthop_changes())
        });
    }

    /// Looks at the nexthop objects that are changing. Returns whether all is known then.
    #[cold]
    fn settle(&self, dev: &NetDevice, rcu: &rcu::Guard) -> bool {
        // Read before the objects are looked at: if it has moved on, they are what they will be.
        let changes = dev.net(rcu).nexthop_changes();
        let settled = self.edit(rcu, |editor| editor.settle(changes, dev));
        settled.is_ok() && load_acquire(&self.doubt) != INCOMPLETE
    }

    /// Is told of a VRF that has come. Fails for lack of memory.
    pub(crate) fn vrf_came(&self, ifindex: c_int, table: u32, rcu: &rcu::Guard) -> Result {
        self.edit(rcu, |editor| editor.vrf_came(ifindex, table))
    }

    /// Is told of a device that goes, if it was a VRF. Fails for lack of memory.
    pub(crate) fn vrf_went(&self, ifindex: c_int, rcu: &rcu::Guard) -> Result {
        self.edit(rcu, |editor| editor.vrf_went(ifindex))
    }

    /// Forgets all. Nobody must tell it of anything meanwhile.
    pub(crate) fn forget(&self, rcu: &rcu::Guard) {
        self.forget_routes(rcu);
        self.known.with(|known| {
            *known = Known::default();
            self.doubt.store(NONE, Release);
        });
    }

    /// Forgets all routes. Nobody must tell it of any meanwhile.
    pub(crate) fn forget_routes(&self, rcu: &rcu::Guard) {
        // To take something away needs no memory. What is known is dropped without the lock.
        let _ = self.edit(rcu, |editor| editor.forget_routes());
    }
}
