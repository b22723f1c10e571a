// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of what can be shown without traffic. Compiled with `KUNIT_TESTS=1`, for kernels
//! with KUnit.

mod bundle_key;
mod device;
mod dst;
mod family;
mod flow;
mod global;
mod netlink;
mod packet;
mod per_cpu;
mod rhashtable;
mod skb;
mod try_lock;
