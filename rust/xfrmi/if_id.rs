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

use crate::{
    compat::casts::u32_as_u64,
    net::jiffies::{
        ticks,
        Instant, //
    }, //
};

use kernel::sync::atomic::{
    Acquire,
    Atomic,
    Relaxed,
    Release, //
};

/// How long packets that came in may wait in queues before their policies are checked, in
/// milliseconds. That is far longer than softirqs are put off, even on a virtual machine that
/// hardly gets on.
const LONGEST_QUEUE: u32 = 5000;

/// What a device's `if_id` is and was, in host byte order.
pub(crate) struct IfId {
    /// In the lower half the present `if_id`, which is not zero. In the upper half the one before
    /// the last change; 0 if there was none. Packets that came in with that one may still wait in a
    /// queue. New ones can't come, because the table knows no such device any more.
    ///
    /// Both are in one word, because an old one means nothing beside the new one of another change.
    both: Atomic<u64>,
    /// When the last change was ([`Instant::as_raw`]).
    changed_at: Atomic<usize>,
}

/// The present `if_id` and the one before it in one word.
const fn together(now: u32, before: u32) -> u64 {
    u32_as_u64(now) | u32_as_u64(before) << u32::BITS
}

impl IfId {
    /// The `if_id` of a new device, which is not zero.
    pub(crate) const fn new(if_id: u32) -> Self {
        Self {
            both: Atomic::new(together(if_id, 0)),
            changed_at: Atomic::new(0),
        }
    }

    /// The present `if_id`.
    #[inline]
    pub(crate) fn get(&self) -> u32 {
        // CAST: The lower half.
        self.both.load(Relaxed) as u32
    }

    /// Makes `new` the present `if_id`. Changes do not run into each other, because the caller
    /// holds RTNL.
    pub(crate) fn change(&self, new: u32) {
        self.changed_at.store(Instant::now().as_raw(), Relaxed);
        self.both.store(together(new, self.get()), Release);
    }

    /// The `if_id` of the policies that a packet has to satisfy that came in by the device, through
    /// a state with `state_if_id`.
    ///
    /// It is the device's own. But a packet may come in before the device is given another `if_id`
    /// and be checked only afterwards. It is not lost for that: it satisfies the policies of
    /// before. Some seconds later no such packet waits any more, and only the present `if_id`
    /// counts.
    pub(crate) fn of_policies(&self, state_if_id: u32) -> u32 {
        // Acquire: whoever sees a change sees its time, or that of the next.
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
