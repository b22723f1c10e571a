// SPDX-License-Identifier: GPL-2.0

//! The time, as cheap as it is coarse.
//!
//! C header: [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h)

use super::atomic::read_once;

use crate::bindings;

use kernel::time::{
    msecs_to_jiffies,
    Jiffies, //
};

/// A moment, to within a tick.
#[derive(Clone, Copy)]
pub(crate) struct Instant(Jiffies);

impl Instant {
    /// The present.
    #[inline]
    pub(crate) fn now() -> Self {
        // SAFETY: The counter is always there, and is read as a whole.
        Self(unsafe { read_once(&raw const bindings::jiffies) })
    }

    /// How many ticks have passed since then.
    #[inline]
    pub(crate) fn elapsed(self) -> usize {
        Self::now().0.wrapping_sub(self.0)
    }

    /// The number that [`Self::from_raw`] takes.
    pub(crate) fn as_raw(self) -> usize {
        self.0
    }

    /// The moment with this number.
    pub(crate) fn from_raw(raw: usize) -> Self {
        Self(raw)
    }
}

/// How many ticks that are, rounded up.
pub(crate) fn ticks(milliseconds: u32) -> usize {
    msecs_to_jiffies(milliseconds)
}
