// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of what can be shown without traffic. Compiled with `KUNIT_TESTS=1`, for kernels
//! with KUnit.

pub(crate) mod bundle_key;
pub(crate) mod device;
mod dst;
mod family;
mod flow;
mod global;
mod netlink;
pub(crate) mod packet;
mod per_cpu;
pub(crate) mod rhashtable;
mod skb;
mod try_lock;
