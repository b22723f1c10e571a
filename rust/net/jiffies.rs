// SPDX-License-Identifier: GPL-2.0

//! The time in ticks, which is cheap to read.
//!
//! The packet path uses it where the accuracy of one tick (1 to 10 ms) is enough. It can be read in
//! any context.
//!
//! C header: [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h)
//!
//! # Examples
//!
//! ```
//! use crate::net::jiffies::{
//!     ticks,
//!     Instant, //
//! };
//!
//! let since = Instant::now();
//! // A result is used again for a minute.
//! assert!(since.elapsed() < ticks(60_000));
//! // What is shorter than a tick is rounded up to one.
//! assert!(ticks(1) > 0);
//! ```
//!
//! Where many moments are kept, none for long, half the room does:
//!
//! ```
//! use crate::net::jiffies::Recent;
//!
//! assert!(Recent::now().elapsed() < 60_000);
//! ```

use super::atomic::read_once;

use crate::bindings;

use kernel::time::{
    msecs_to_jiffies,
    Jiffies, //
};

/// A moment, accurate to one tick.
#[derive(Clone, Copy)]
pub(crate) struct Instant(Jiffies);

impl Instant {
    /// Returns the present moment (`jiffies`).
    #[inline]
    pub(crate) fn now() -> Self {
        // SAFETY: The counter is always there, and is read as a whole.
        Self(unsafe { read_once(&raw const bindings::jiffies) })
    }

    /// Returns how many ticks have passed since this moment.
    #[inline]
    pub(crate) fn elapsed(self) -> usize {
        Self::now().0.wrapping_sub(self.0)
    }

    /// Returns the number of ticks that [`Self::from_raw`] takes.
    pub(crate) fn as_raw(self) -> usize {
        self.0
    }

    /// Returns the moment with the number `raw`, which [`Self::as_raw`] has returned.
    pub(crate) fn from_raw(raw: usize) -> Self {
        Self(raw)
    }
}

/// A moment that was not long ago, accurate to one tick: after 2^32 ticks, which are 49 days at the
/// least, it counts as the present again.
#[derive(Clone, Copy)]
pub(crate) struct Recent(u32);

impl Recent {
    /// Returns the present moment.
    #[inline]
    pub(crate) fn now() -> Self {
        // CAST: The lower half is wanted.
        Self(Instant::now().0 as u32)
    }

    /// Returns how many ticks have passed since this moment.
    #[inline]
    pub(crate) fn elapsed(self) -> u32 {
        Self::now().0.wrapping_sub(self.0)
    }
}

/// Converts milliseconds to ticks and rounds up (`msecs_to_jiffies()`).
pub(crate) fn ticks(milliseconds: u32) -> usize {
    msecs_to_jiffies(milliseconds)
}
