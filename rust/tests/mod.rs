// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of what in the driver needs no device. Compiled with `KUNIT_TESTS=1`, for kernels
//! with KUnit. They are not in `xfrmi` because KUnit's macros are unsafe code.

mod cache;
mod if_id;
mod sets;
