// SPDX-License-Identifier: GPL-2.0

//! What is atomic on the packet path, without a call.
//!
//! Atomics of the kernel crate ([`kernel::sync::atomic`]) are the ones to use. But unless the
//! kernel has `CONFIG_RUST_INLINE_HELPERS`, each access is a call of C. What every packet reads is
//! read here instead, and so is the lock taken that every packet takes; nothing else is. The values
//! are the kernel crate's in any case.
//!
//! The accesses are those of [`core`], which on every architecture that the kernel has Rust for are
//! as strong as the kernel's of the same name.

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

/// What can be read here.
pub(crate) trait Load: AtomicType {
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

/// The value (`READ_ONCE()`).
#[inline(always)]
pub(crate) fn load<T: Load>(atomic: &Atomic<T>) -> T {
    // SAFETY: The pointer is to the value.
    unsafe { T::load(atomic.as_ptr(), Ordering::Relaxed) }
}

/// The value (`smp_load_acquire()`).
#[inline(always)]
pub(crate) fn load_acquire<T: Load>(atomic: &Atomic<T>) -> T {
    // SAFETY: The pointer is to the value.
    unsafe { T::load(atomic.as_ptr(), Ordering::Acquire) }
}

/// A field of C that others write meanwhile (`smp_load_acquire()`).
///
/// # Safety
///
/// `ptr` is valid for reads, and others write the whole field.
#[inline(always)]
pub(super) unsafe fn read_acquire<T: Load>(ptr: *mut T) -> T {
    // SAFETY: The contract of this function.
    unsafe { T::load(ptr, Ordering::Acquire) }
}

/// A field of C that others write meanwhile (`READ_ONCE()`).
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

/// Writes a field of C that others read or write meanwhile (`WRITE_ONCE()`).
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

/// Sets a flag, and says whether it was not set before (`!xchg_acquire()`).
#[inline(always)]
pub(super) fn set(flag: &Atomic<bool>) -> bool {
    // SAFETY: The pointer is to the value.
    !unsafe { AtomicBool::from_ptr(flag.as_ptr()) }.swap(true, Ordering::Acquire)
}

/// Clears a flag (`smp_store_release()`).
#[inline(always)]
pub(super) fn clear(flag: &Atomic<bool>) {
    // SAFETY: The pointer is to the value.
    unsafe { AtomicBool::from_ptr(flag.as_ptr()) }.store(false, Ordering::Release);
}
