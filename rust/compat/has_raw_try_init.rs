// SPDX-License-Identifier: GPL-2.0

pub use pin_init::raw_try_init;
