// SPDX-License-Identifier: GPL-2.0

//! Hashes of numbers, for tables whose size is a power of two.
//!
//! They are multiplications, of which the upper bits count. Whoever must not be able to choose what
//! falls together mixes something into the number that nobody knows. They work in any context.
//!
//! C header: [`include/linux/hash.h`](srctree/include/linux/hash.h)
//!
//! # Examples
//!
//! ```
//! use crate::net::hash::{
//!     hash_32,
//!     hash_64, //
//! };
//!
//! assert!(hash_32::<8>(7) < 256);
//! assert!(hash_64::<10>(7) < 1024);
//! ```

/// Returns a hash of `BITS` bits (`hash_32()`).
#[inline]
pub(crate) const fn hash_32<const BITS: u32>(value: u32) -> u32 {
    const { assert!(0 < BITS && BITS <= u32::BITS) };
    // `GOLDEN_RATIO_32`
    value.wrapping_mul(0x61c8_8647) >> (u32::BITS - BITS)
}

/// Returns a hash of `BITS` bits (`hash_64()`).
#[inline]
pub(crate) const fn hash_64<const BITS: u32>(value: u64) -> u64 {
    const { assert!(0 < BITS && BITS <= u64::BITS) };
    // `GOLDEN_RATIO_64`
    value.wrapping_mul(0x61c8_8646_80b5_83eb) >> (u64::BITS - BITS)
}
