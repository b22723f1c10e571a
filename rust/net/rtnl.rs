// SPDX-License-Identifier: GPL-2.0

//! RTNL, the lock under which network devices are configured.
//!
//! C header: [`include/linux/rtnetlink.h`](srctree/include/linux/rtnetlink.h)
//!
//! # Examples
//!
//! What may only be done with RTNL held takes evidence of it, which callbacks of the kernel get:
//!
//! ```
//! use crate::net::rtnl::{
//!     synchronize_net,
//!     Rtnl, //
//! };
//!
//! fn unlink(rtnl: &Rtnl) {
//!     // Nobody finds it any more; and now nobody has it who did.
//!     synchronize_net(rtnl);
//! }
//! # let _: fn(&Rtnl) = unlink;
//! ```

use crate::bindings;

use kernel::types::NotThreadSafe;

/// Evidence that RTNL is held by the current thread.
pub(crate) struct Rtnl(NotThreadSafe);

impl Rtnl {
    /// # Safety
    ///
    /// RTNL is held for as long as the result is used.
    pub(super) unsafe fn assume<'a>() -> &'a Self {
        const HELD: &Rtnl = &Rtnl(NotThreadSafe);
        // SAFETY: It only looks, and warns if the lock is not held.
        unsafe { bindings::ASSERT_RTNL() };
        HELD
    }
}

/// Waits until every packet that is being handled now has been.
pub(crate) fn synchronize_net(_rtnl: &Rtnl) {
    // SAFETY: RTNL is held in process context, which may sleep.
    unsafe { bindings::synchronize_net() };
}
