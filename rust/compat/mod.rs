// SPDX-License-Identifier: GPL-2.0

//! What kernels of before 7.3 lack, so that the rest is written for one kernel.
//!
//! Which of these the kernel crate has is tried when the module is built: a file beside this one
//! for each, `has_*.rs`, is compiled against it (`features.sh`). What is missing is written here as
//! it is there, so that a feature that all kernels have is taken out of here, and nothing else is
//! changed but a `use`.

use core::borrow::Borrow;

/// Numbers of one type as another one, where nothing can be lost.
pub(crate) mod casts {
    #[cfg(has_num_casts)]
    pub(crate) use kernel::num::casts::{
        u32_as_u64,
        u32_as_usize,
        u32_into_u16,
        u32_into_u8,
        usize_as_u64, //
    };

    #[cfg(not(has_num_casts))]
    macro_rules! lossless {
        ($($name:ident: $from:ty => $into:ty;)*) => {
            $(
                #[doc = concat!("A `", stringify!($from), "` as the [`", stringify!($into), "`] that it is.")]
                #[inline]
                pub(crate) const fn $name(value: $from) -> $into {
                    const { assert!(<$from>::BITS <= <$into>::BITS) };
                    // CAST: the other type has as many bits.
                    value as $into
                }
            )*
        };
    }

    #[cfg(not(has_num_casts))]
    macro_rules! constant {
        ($($name:ident: $from:ty => $into:ty;)*) => {
            $(
                #[doc = concat!("A constant as [`", stringify!($into), "`], which it has to fit into.")]
                #[inline]
                pub(crate) const fn $name<const N: $from>() -> $into {
                    const { assert!(N <= <$into>::MAX as $from) };
                    // CAST: the value fits.
                    N as $into
                }
            )*
        };
    }

    #[cfg(not(has_num_casts))]
    lossless! {
        u32_as_u64: u32 => u64;
        u32_as_usize: u32 => usize;
        usize_as_u64: usize => u64;
    }

    #[cfg(not(has_num_casts))]
    constant! {
        u32_into_u8: u32 => u8;
        u32_into_u16: u32 => u16;
    }
}

/// Grace periods.
pub(crate) mod rcu {
    #[cfg(has_rcu_synchronize)]
    pub(crate) use kernel::sync::rcu::{
        rcu_barrier,
        synchronize_rcu, //
    };

    /// Waits until all that was to happen after a grace period has happened.
    ///
    /// Process context; sleeps. C: `rcu_barrier()`.
    #[cfg(not(has_rcu_synchronize))]
    pub(crate) fn rcu_barrier() {
        // SAFETY: It may be called wherever it is allowed to sleep.
        unsafe { kernel::bindings::rcu_barrier() };
    }

    /// Waits until all readers of before are done.
    ///
    /// Process context; sleeps. C: `synchronize_rcu()`.
    #[cfg(not(has_rcu_synchronize))]
    pub(crate) fn synchronize_rcu() {
        // SAFETY: It may be called wherever it is allowed to sleep.
        unsafe { kernel::bindings::synchronize_rcu() };
    }
}

#[cfg(has_raw_try_init)]
pub(crate) use pin_init::raw_try_init;

/// Initializes the place `slot`.
///
/// # Safety
///
/// `slot` is valid for writes, and stays where it is until what is in it is dropped. After an error
/// nothing is in it.
#[cfg(not(has_raw_try_init))]
#[inline(always)]
pub(crate) unsafe fn raw_try_init<T, E>(
    slot: *mut T,
    init: impl kernel::prelude::PinInit<T, E>,
) -> Result<(), E> {
    // SAFETY: By the safety requirements.
    unsafe { init.__pinned_init(slot) }
}

/// Error numbers.
pub(crate) mod code {
    use kernel::error::Error;

    /// Network is down.
    pub(crate) fn enetdown() -> Error {
        #[cfg(has_error_codes)]
        return kernel::error::code::ENETDOWN;
        #[cfg(not(has_error_codes))]
        from_errno(kernel::bindings::ENETDOWN)
    }

    /// Operation not supported on transport endpoint.
    pub(crate) fn eopnotsupp() -> Error {
        #[cfg(has_error_codes)]
        return kernel::error::code::EOPNOTSUPP;
        #[cfg(not(has_error_codes))]
        from_errno(kernel::bindings::EOPNOTSUPP)
    }

    /// Object is remote.
    pub(crate) fn eremote() -> Error {
        #[cfg(has_error_codes)]
        return kernel::error::code::EREMOTE;
        #[cfg(not(has_error_codes))]
        from_errno(kernel::bindings::EREMOTE)
    }

    #[cfg(not(has_error_codes))]
    fn from_errno(number: u32) -> Error {
        Error::from_errno(i32::try_from(number).map_or(0, |number| -number))
    }
}

/// The value of a module's parameter, of which some kernels give a reference.
pub(crate) fn parameter<T: Copy>(value: impl Borrow<T>) -> T {
    *value.borrow()
}
