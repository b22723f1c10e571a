// SPDX-License-Identifier: GPL-2.0

//! Atomic accesses of the packet path, compiled inline.
//!
//! The atomics of the kernel crate ([`kernel::sync::atomic`]) are the ones to use. But unless the
//! kernel has `CONFIG_RUST_INLINE_HELPERS`, each access to one of them calls a C function. With
//! these calls a packet costs 100 instructions more to transmit (8,269 instead of 8,169, on
//! Debian's 7.3.4) and 47 more to receive. So this module reads without a call what every packet
//! reads, and takes without a call the lock that every packet takes. Nothing else belongs here. The
//! values themselves are always the kernel crate's.
//!
//! The accesses are those of [`core`]. On every architecture for which the kernel has Rust they are
//! as strong as the kernel's accesses of the same name. All functions may be called from any
//! context.
//!
//! C headers: [`include/asm-generic/rwonce.h`](srctree/include/asm-generic/rwonce.h),
//! [`include/asm-generic/barrier.h`](srctree/include/asm-generic/barrier.h)
//!
//! # Examples
//!
//! The packet path reads a setting that process context writes:
//!
//! ```
//! use crate::net::atomic;
//!
//! use kernel::sync::atomic::{
//!     Atomic,
//!     Relaxed,
//!     Release, //
//! };
//!
//! static LIFETIME: Atomic<usize> = Atomic::new(0);
//! static READY: Atomic<bool> = Atomic::new(false);
//!
//! assert!(!atomic::load_acquire(&READY));
//! LIFETIME.store(250, Relaxed);
//! READY.store(true, Release);
//!
//! // Whoever sees the flag sees what was written before it.
//! assert!(atomic::load_acquire(&READY));
//! assert_eq!(atomic::load(&LIFETIME), 250);
//! ```

use core::sync::atomic::{
    AtomicBool,
    AtomicI32,
    AtomicPtr,
    AtomicU32,
    AtomicUsize,
    Ordering, //
};

use kernel::sync::atomic::{
    Atomic,
    AtomicType, //
};

/// A type of values that this module can read.
pub(crate) trait Load: AtomicType {
    /// Reads the value at `ptr` with `ordering`.
    ///
    /// # Safety
    ///
    /// `ptr` is valid for atomic reads.
    unsafe fn load(ptr: *mut Self, ordering: Ordering) -> Self;
}

macro_rules! impl_load {
    ($($name:ty: $atomic:ty),*) => {
        $(impl Load for $name {
            #[inline(always)]
            unsafe fn load(ptr: *mut Self, ordering: Ordering) -> Self {
                // SAFETY: The contract of this function.
                unsafe { <$atomic>::from_ptr(ptr) }.load(ordering)
            }
        })*
    };
}

impl_load!(bool: AtomicBool, i32: AtomicI32, u32: AtomicU32, usize: AtomicUsize);

impl<T> Load for *mut T {
    #[inline(always)]
    unsafe fn load(ptr: *mut Self, ordering: Ordering) -> Self {
        // SAFETY: The contract of this function.
        unsafe { AtomicPtr::from_ptr(ptr) }.load(ordering)
    }
}

/// Reads the value (`READ_ONCE()`).
#[inline(always)]
pub(crate) fn load<T: Load>(atomic: &Atomic<T>) -> T {
    // SAFETY: The pointer is to the value.
    unsafe { T::load(atomic.as_ptr(), Ordering::Relaxed) }
}

/// Reads the value; later accesses stay behind the read (`smp_load_acquire()`).
#[inline(always)]
pub(crate) fn load_acquire<T: Load>(atomic: &Atomic<T>) -> T {
    // SAFETY: The pointer is to the value.
    unsafe { T::load(atomic.as_ptr(), Ordering::Acquire) }
}

/// Reads a C field that others write meanwhile; later accesses stay behind the read
/// (`smp_load_acquire()`).
///
/// # Safety
///
/// `ptr` is valid for reads, and others write the whole field.
#[inline(always)]
pub(super) unsafe fn read_acquire<T: Load>(ptr: *mut T) -> T {
    // SAFETY: The contract of this function.
    unsafe { T::load(ptr, Ordering::Acquire) }
}

/// Reads a C field that others write meanwhile (`READ_ONCE()`).
///
/// # Safety
///
/// `ptr` is valid for reads, and others write the whole field.
#[inline(always)]
pub(super) unsafe fn read_once<T: Copy>(ptr: *const T) -> T {
    const { assert!(size_of::<T>() <= size_of::<usize>()) };
    // SAFETY: The contract of this function.
    unsafe { ptr.read_volatile() }
}

/// Writes a C field that others read or write meanwhile (`WRITE_ONCE()`).
///
/// # Safety
///
/// `ptr` is valid for writes, and others access the whole field.
#[inline(always)]
pub(super) unsafe fn write_once<T: Copy>(ptr: *mut T, value: T) {
    const { assert!(size_of::<T>() <= size_of::<usize>()) };
    // SAFETY: The contract of this function.
    unsafe { ptr.write_volatile(value) };
}

/// Sets `flag` and returns whether it was clear before (`!xchg_acquire()`).
#[inline(always)]
pub(super) fn set(flag: &Atomic<bool>) -> bool {
    // SAFETY: The pointer is to the value.
    !unsafe { AtomicBool::from_ptr(flag.as_ptr()) }.swap(true, Ordering::Acquire)
}

/// Clears `flag`; earlier accesses stay before the write (`smp_store_release()`).
#[inline(always)]
pub(super) fn clear(flag: &Atomic<bool>) {
    // SAFETY: The pointer is to the value.
    unsafe { AtomicBool::from_ptr(flag.as_ptr()) }.store(false, Ordering::Release);
}
