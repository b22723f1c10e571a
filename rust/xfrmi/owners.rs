// SPDX-License-Identifier: GPL-2.0

//! Whose a connection is: the answer for each `if_id`, as packets find it.
//!
//! It is read for each packet, under RCU, and written in any context but that of hard interrupts,
//! under the lock of [`claims`](super::claims). Nothing here sleeps.
//!
//! # Examples
//!
//! ```
//! use crate::xfrmi::owners::{
//!     Owner,
//!     Owners, //
//! };
//!
//! use kernel::sync::rcu;
//!
//! let owners = KBox::pin_init(Owners::new(), GFP_KERNEL)?;
//! let rcu = rcu::read_lock();
//! assert!(owners.get(7, &rcu) == Owner::None);
//! // The connection 7 belongs to the VRF with the index 3.
//! owners.assign(7, Owner::Vrf(3), &rcu)?;
//! assert!(owners.get(7, &rcu) == Owner::Vrf(3));
//! // Another VRF has routes to it as well.
//! owners.assign(7, Owner::Several, &rcu)?;
//! assert!(owners.get(7, &rcu) == Owner::Several);
//! owners.assign(7, Owner::None, &rcu)?;
//! assert!(owners.get(7, &rcu) == Owner::None);
//! ```

use crate::net::rhashtable::{
    Entry,
    U32Table, //
};

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu, //
    }, //
};

/// Whose a connection is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// No VRF's.
    None,
    /// That of the VRF with this index.
    Vrf(c_int),
    /// Several VRFs claim it.
    Several,
    /// There was no memory for what would say it.
    Unknown,
}

impl Owner {
    /// What [`Self::Several`] is written as; indices are positive.
    const SEVERAL: i32 = -1;

    /// Writes it as a number.
    fn to_number(self) -> i32 {
        match self {
            Self::None => 0,
            Self::Vrf(ifindex) => ifindex,
            Self::Several | Self::Unknown => Self::SEVERAL,
        }
    }

    /// Reads what [`Self::to_number`] has written.
    fn from_number(number: i32) -> Self {
        match number {
            0 => Self::None,
            Self::SEVERAL => Self::Several,
            ifindex => Self::Vrf(ifindex),
        }
    }
}

/// Whose the connections are, by `if_id`.
#[pin_data]
pub(crate) struct Owners {
    /// The answers, as [`Owner::to_number`] writes them; those that have no owner are not there.
    #[pin]
    answers: U32Table<Atomic<i32>>,
}

impl Owners {
    /// Nobody owns any connection. Fails for lack of memory.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            answers <- U32Table::new(),
        })
    }

    /// Whose the connection `if_id` is.
    #[inline]
    pub(crate) fn get(&self, if_id: u32, rcu: &rcu::Guard) -> Owner {
        self.answers.get(if_id, rcu).map_or(Owner::None, |answer| {
            Owner::from_number(answer.load(Relaxed))
        })
    }

    /// Makes `owner` that of the connection `if_id`. Fails for lack of memory.
    pub(crate) fn assign(&self, if_id: u32, owner: Owner, rcu: &rcu::Guard) -> Result {
        match self.answers.get(if_id, rcu) {
            Some(_) if owner == Owner::None => drop(self.answers.remove(if_id)),
            Some(answer) => answer.store(owner.to_number(), Relaxed),
            None if owner == Owner::None => {}
            None => {
                let answer = Atomic::new(owner.to_number());
                self.answers
                    .insert(Entry::new(if_id, answer, GFP_ATOMIC)?)?;
            }
        }
        Ok(())
    }
}
