// SPDX-License-Identifier: GPL-2.0

//! Hashes of the keys by which something is remembered.
//!
//! They are seeded: who does not know the seed can't choose keys that get in each other's way. They
//! work in any context.
//!
//! # Examples
//!
//! ```
//! use crate::xfrmi::hash::{
//!     mix,
//!     Hash,
//!     Key, //
//! };
//!
//! #[derive(Clone, Copy, PartialEq)]
//! struct Words(u64, u64);
//!
//! impl Key for Words {
//!     fn hash(&self, seed: u64) -> u64 {
//!         mix(seed, self.0, self.1)
//!     }
//! }
//!
//! let hash = Hash::new(Words(1, 2).hash(crate::net::random_u64()));
//! assert!(hash.set(1000) < 1000);
//! ```

use crate::{
    compat::casts::usize_as_u64,
    net::hash::hash_64, //
};

/// What a value is known by.
pub(crate) trait Key: Copy + PartialEq + Send {
    /// A hash of the key that nobody can tell who does not know `seed`; see [`mix`].
    fn hash(&self, seed: u64) -> u64;
}

/// Adds two words to a hash, which at first is the seed.
///
/// It is a multiplication, both halves of which count, as in wyhash and its kin. Whoever does not
/// know the seed knows neither factor.
///
/// The kernel has siphash for keys that somebody may choose. By its rounds, that would take some
/// 200 instructions more for each packet. Nothing here depends on its strength: keys are compared,
/// whatever their hash, so whoever guesses the seed can have others' bundles looked up again, and
/// no more.
#[inline]
pub(crate) fn mix(hash: u64, a: u64, b: u64) -> u64 {
    let product = u128::from(hash ^ a) * u128::from(hash.rotate_left(32) ^ b);
    // CAST: The halves are wanted.
    product as u64 ^ (product >> 64) as u64
}

/// The hash of a key: where it belongs in a table of whatever size.
#[derive(Clone, Copy)]
pub(crate) struct Hash(u64);

impl Hash {
    /// Makes it of [`Key::hash`].
    #[inline]
    pub(crate) fn new(hash: u64) -> Self {
        // A product of two unknown factors is even more often than odd, so its low bits are poor.
        // This multiplies by a last factor that is known, and odd.
        Self(hash_64::<{ u64::BITS }>(hash))
    }

    /// In which of `count` sets the key belongs.
    #[inline]
    pub(crate) fn set(self, count: usize) -> usize {
        // CAST: It is less than `count`. A table has fewer sets than 32 bits can say.
        ((self.0 >> 32).wrapping_mul(usize_as_u64(count)) >> 32) as usize
    }

    /// One of `count` things, a small power of two, whatever the set.
    #[inline]
    pub(super) fn one_of(self, count: usize) -> usize {
        // CAST: Bits in the middle are wanted.
        (self.0 >> 20) as usize & count.wrapping_sub(1)
    }

    /// An odd number that tells keys of a set apart.
    pub(super) fn tag(self) -> u32 {
        // CAST: Bits in the middle are wanted.
        (self.0 >> 12) as u32 | 1
    }
}
