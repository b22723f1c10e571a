// SPDX-License-Identifier: GPL-2.0

//! The `if_id` of a static device, which can be changed while packets are on their way.
//!
//! It is changed under RTNL, and read in any context.
//!
//! # Examples
//!
//! ```
//! use crate::xfrmi::if_id::IfId;
//!
//! let if_id = IfId::new(5);
//! assert_eq!(if_id.of_policies(5), 5);
//! if_id.change(6);
//! assert_eq!(if_id.get(), 6);
//! // A packet that came in through a state of before may still wait in a queue: it satisfies the
//! // policies of before.
//! assert_eq!(if_id.of_policies(5), 5);
//! // Any other satisfies those of now.
//! assert_eq!(if_id.of_policies(6), 6);
//! assert_eq!(if_id.of_policies(7), 6);
//! ```

use crate::net::jiffies::{
    ticks,
    Instant, //
};

use kernel::{
    num::casts::u32_as_u64,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    }, //
};

/// For how long packets that came in may wait in queues before their policies are checked, in
/// milliseconds: far longer than softirqs are put off, even on a virtual machine that hardly gets
/// on.
const LONGEST_QUEUE: u32 = 5000;

/// What a device's `if_id` is and was, in host byte order.
pub(crate) struct IfId {
    /// The present one, which is not zero, in the lower half; in the upper half the one before the
    /// last change, 0 if there was none. Packets may have come in with that which still wait in a
    /// queue; new ones can't, because the table knows no such device.
    ///
    /// They are one word, since the one means nothing beside the other of another change.
    both: Atomic<u64>,
    /// When the last change was ([`Instant::as_raw`]).
    changed_at: Atomic<usize>,
}

/// The present `if_id` and the one before in one word.
const fn together(now: u32, before: u32) -> u64 {
    u32_as_u64(now) | u32_as_u64(before) << u32::BITS
}

impl IfId {
    pub(crate) const fn new(if_id: u32) -> Self {
        Self {
            both: Atomic::new(together(if_id, 0)),
            changed_at: Atomic::new(0),
        }
    }

    /// The present one.
    #[inline]
    pub(crate) fn get(&self) -> u32 {
        // CAST: The lower half.
        self.both.load(Relaxed) as u32
    }

    /// Makes `new` the present one. Changes do not run into each other: the caller holds RTNL.
    pub(crate) fn change(&self, new: u32) {
        self.changed_at.store(Instant::now().as_raw(), Relaxed);
        self.both.store(together(new, self.get()), Release);
    }

    /// The `if_id` of the policies that a packet, which came in by the device through a state with
    /// `state_if_id`, has to satisfy.
    ///
    /// That is the device's own. A packet that came in before the device was given another one may
    /// be checked only afterwards, and is not lost for that; but some seconds later, none waits any
    /// more.
    pub(crate) fn of_policies(&self, state_if_id: u32) -> u32 {
        // Acquire: who sees a change sees when it was, or that of the next.
        let both = self.both.load(Acquire);
        // CAST: The lower half, and the upper one.
        let (now, before) = (both as u32, (both >> u32::BITS) as u32);
        if before == 0 || before != state_if_id {
            return now;
        }
        let changed_at = Instant::from_raw(self.changed_at.load(Relaxed));
        if changed_at.elapsed() < ticks(LONGEST_QUEUE) {
            before
        } else {
            now
        }
    }
}
