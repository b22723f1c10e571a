// SPDX-License-Identifier: GPL-2.0

pub use kernel::num::casts::u32_as_u64;
