// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of what here needs no device. Compiled with `KUNIT_TESTS=1`, for kernels with KUnit.

mod bundle_key;
mod dst;
mod flow;
mod global;
mod netlink;
mod numbers;
mod packet;
mod rhashtable;
mod try_lock;
