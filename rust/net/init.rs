// SPDX-License-Identifier: GPL-2.0

//! Initialisers.

use kernel::prelude::*;

/// The same initialiser, which calls `report` with its error when it fails.
pub(crate) fn on_error<T, E>(
    init: impl PinInit<T, E>,
    report: impl FnOnce(&E),
) -> impl PinInit<T, E> {
    // SAFETY: The contract for the slot, and what it holds afterwards, are those of `init`.
    unsafe {
        pin_init::pin_init_from_closure(move |slot| {
            pin_init::raw_try_init(slot, init).inspect_err(report)
        })
    }
}
