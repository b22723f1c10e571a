// SPDX-License-Identifier: GPL-2.0

//! Combinators of initialisers.
//!
//! They are for values that are made in place, as a module's and a registration's are
//! ([`kernel::init`]).
//!
//! # Examples
//!
//! A registration says why it has failed:
//!
//! ```
//! use crate::net::init::on_error;
//!
//! let mut reported = None;
//! let init = on_error(Err::<u32, _>(EEXIST), |err: &Error| reported = Some(*err));
//! assert!(KBox::pin_init(init, GFP_KERNEL).is_err());
//! assert!(reported == Some(EEXIST));
//! ```

use crate::compat::raw_try_init;

use kernel::prelude::*;

/// Returns an initialiser that does what `init` does, and calls `report` with the error if that
/// fails.
pub(crate) fn on_error<T, E>(
    init: impl PinInit<T, E>,
    report: impl FnOnce(&E),
) -> impl PinInit<T, E> {
    // SAFETY: The closure treats the slot as `init` does, and leaves in it what `init` leaves.
    unsafe {
        pin_init::pin_init_from_closure(move |slot| raw_try_init(slot, init).inspect_err(report))
    }
}
