// SPDX-License-Identifier: GPL-2.0

//! Values of which each CPU has its own.
//!
//! The packet path finds the value of its CPU without being given it, and without contention. A
//! type that implements [`PerCpu`] names a `static` [`PerCpuSlot`]. [`PerCpuSlot::register`] makes
//! a value on every CPU that is online, and later on every CPU that comes online. Values stay when
//! their CPU goes offline. The [`PerCpuRegistration`] owns them.
//!
//! Registration and its end may sleep. [`PerCpuSlot::get`] and [`PerCpuSlot::all`] work in any
//! context, in a critical section.
//!
//! C headers: [`include/linux/percpu.h`](srctree/include/linux/percpu.h),
//! [`include/linux/cpuhotplug.h`](srctree/include/linux/cpuhotplug.h)
//!
//! # Examples
//!
//! Each CPU counts its packets:
//!
//! ```
//! use crate::net::per_cpu::{
//!     PerCpu,
//!     PerCpuRef,
//!     PerCpuSlot, //
//! };
//!
//! use kernel::sync::{
//!     atomic::{
//!         Atomic,
//!         Relaxed, //
//!     },
//!     rcu, //
//! };
//!
//! struct Packets {
//!     count: Atomic<u64>,
//! }
//!
//! static PACKETS: PerCpuSlot<Packets> = PerCpuSlot::new();
//!
//! impl PerCpu for Packets {
//!     const SLOT: PerCpuRef<Self> = PerCpuRef::new(&PACKETS);
//!
//!     fn new() -> impl PinInit<Self, Error> {
//!         Ok(Self {
//!             count: Atomic::new(0),
//!         })
//!     }
//! }
//!
//! fn count_one(rcu: &rcu::Guard) {
//!     if let Some(packets) = PACKETS.get(rcu) {
//!         packets.count.fetch_add(1, Relaxed);
//!     }
//! }
//!
//! fn counted(rcu: &rcu::Guard) -> u64 {
//!     PACKETS.all(rcu).map(|packets| packets.count.load(Relaxed)).sum()
//! }
//!
//! let registration = PACKETS.register()?;
//! {
//!     let rcu = rcu::read_lock();
//!     count_one(&rcu);
//!     // On a preemptible kernel this may be another CPU by now, so all are asked.
//!     assert_eq!(counted(&rcu), 1);
//! }
//! drop(registration);
//! assert!(PACKETS.get(&rcu::read_lock()).is_none());
//! ```

use super::atomic::load_acquire;

use crate::{
    bindings,
    compat::rcu::synchronize_rcu, //
};

use core::ptr;

use kernel::{
    cpu::nr_cpu_ids,
    error::to_result,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            AtomicFlag,
            Relaxed,
            Release, //
        },
        rcu, //
    },
    types::ForeignOwnable, //
};

/// A type of values of which each CPU has its own.
pub(crate) trait PerCpu: Sized + Send + Sync + 'static {
    /// The `static` that holds the values.
    const SLOT: PerCpuRef<Self>;

    /// Makes the value of the CPU on which it is called, so that the memory is near that CPU. May
    /// sleep.
    fn new() -> impl PinInit<Self, Error>;
}

/// Names the `static` that is the slot for values of type `T`.
///
/// It is the value of a constant, because the kernel's callback has to find the same slot each
/// time.
pub(crate) struct PerCpuRef<T: PerCpu>(*const PerCpuSlot<T>);

impl<T: PerCpu> PerCpuRef<T> {
    /// Names `slot`.
    pub(crate) const fn new(slot: &'static PerCpuSlot<T>) -> Self {
        Self(slot)
    }

    /// Returns the slot.
    fn get(self) -> &'static PerCpuSlot<T> {
        // SAFETY: The pointer was made from such a reference.
        unsafe { &*self.0 }
    }
}

/// A place for one value of each CPU that has been online since the slot was registered. To be
/// declared as a `static`.
///
/// # Invariants
///
/// `pointers` is null or a `__percpu` pointer to a pointer of each CPU. The pointer of a CPU is
/// null or to a pinned value that the [`PerCpuRegistration`] owns. The registration drops the value
/// a grace period after it has set `pointers` to null.
pub(crate) struct PerCpuSlot<T: PerCpu> {
    /// A `__percpu` pointer, which is not an address.
    pointers: Atomic<*mut *mut T>,
    /// Whether the slot is registered, or about to be.
    taken: AtomicFlag,
}

impl<T: PerCpu> PerCpuSlot<T> {
    /// Makes a slot that is not registered.
    pub(crate) const fn new() -> Self {
        // INVARIANT: The pointer is null.
        Self {
            pointers: Atomic::new(ptr::null_mut()),
            taken: AtomicFlag::new(false),
        }
    }

    /// Makes a value on each CPU that is online, and later on each one that comes online
    /// (`cpuhp_setup_state()`). May sleep.
    ///
    /// Fails with `EBUSY` when the slot is registered already, with `EINVAL` when it is not
    /// [`PerCpu::SLOT`], with `ENOMEM`, and with the error of [`PerCpu::new`].
    pub(crate) fn register(&'static self) -> Result<PerCpuRegistration<T>> {
        // The callback works on that slot.
        if !ptr::eq(self, T::SLOT.0) {
            return Err(EINVAL);
        }
        if self.taken.xchg(true, Relaxed) {
            return Err(EBUSY);
        }
        // SAFETY: It may be called in process context.
        let pointers: *mut *mut T = unsafe { bindings::alloc_percpu_pointer() }.cast();
        // INVARIANT: The memory of each CPU is zeroed. If it is null, so is the slot still.
        self.pointers.store(pointers, Release);
        // If something fails from here on, this drops what was made so far.
        let mut registration = PerCpuRegistration {
            slot: self,
            state: None,
        };
        if pointers.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: The name is static, and the callback is there until the state is removed.
        let state = unsafe {
            bindings::__cpuhp_setup_state(
                bindings::cpuhp_state_CPUHP_AP_ONLINE_DYN,
                c"net/xfrm_interface_rust:online".as_char_ptr(),
                true,
                Some(Self::online),
                None,
                false,
            )
        };
        to_result(state)?;
        // CAST: A number that is not negative is one of these states.
        registration.state = Some(state as bindings::cpuhp_state);
        Ok(registration)
    }

    /// Returns the value of this CPU, if there is one (`this_cpu_read()`). The reference is valid
    /// until the critical section ends.
    ///
    /// Where the caller may be preempted, another CPU may use the value at the same time.
    #[inline]
    pub(crate) fn get<'g>(&self, _rcu: &'g rcu::Guard) -> Option<&'g T> {
        let pointers = load_acquire(&self.pointers);
        if pointers.is_null() {
            return None;
        }
        // SAFETY: By the type invariant.
        let value = unsafe { bindings::this_cpu_pointer(pointers.cast()) };
        let value: *mut T = value.cast();
        // SAFETY: By the type invariant the value outlives the critical section.
        unsafe { value.as_ref() }
    }

    /// Returns the values of all CPUs. The references are valid until the critical section ends.
    pub(crate) fn all<'g>(&self, _rcu: &'g rcu::Guard) -> impl Iterator<Item = &'g T> {
        let pointers = load_acquire(&self.pointers);
        let cpus = if pointers.is_null() { 0 } else { nr_cpu_ids() };
        (0..cpus).filter_map(move |cpu| {
            // SAFETY: By the type invariant.
            let value = unsafe { bindings::per_cpu_pointer(pointers.cast(), cpu) };
            let value: *mut T = value.cast();
            // SAFETY: By the type invariant the value outlives the critical section.
            unsafe { value.as_ref() }
        })
    }

    /// Makes the value of a CPU that comes online, unless it has one (`cpuhp_state` callback).
    ///
    /// # Safety
    ///
    /// The kernel calls this on a CPU that comes online, while the slot is registered.
    unsafe extern "C" fn online(cpu: c_uint) -> c_int {
        let pointers: *mut c_void = load_acquire(&T::SLOT.get().pointers).cast();
        // SAFETY: By the type invariant.
        if !unsafe { bindings::per_cpu_pointer(pointers, cpu) }.is_null() {
            // The CPU has been online before.
            return 0;
        }
        match KBox::pin_init(T::new(), GFP_KERNEL) {
            Ok(value) => {
                let value = value.into_foreign();
                // INVARIANT: The registration owns what is in the slot.
                //
                // SAFETY: By the type invariant; nobody else writes the pointer of this CPU.
                unsafe { bindings::set_per_cpu_pointer(pointers, cpu, value) };
                0
            }
            Err(err) => err.to_errno(),
        }
    }
}

/// Shows that each CPU has its value. When it is dropped, it takes the values out, waits for a
/// grace period, and drops them. That may sleep.
pub(crate) struct PerCpuRegistration<T: PerCpu> {
    slot: &'static PerCpuSlot<T>,
    /// The state of the hotplug callback; `None` if the kernel does not call it.
    state: Option<bindings::cpuhp_state>,
}

impl<T: PerCpu> Drop for PerCpuRegistration<T> {
    fn drop(&mut self) {
        if let Some(state) = self.state {
            // SAFETY: The state was set up, and is removed once. Nothing has to be called for it.
            unsafe { bindings::__cpuhp_remove_state(state, false) };
        }
        let pointers: *mut c_void = self.slot.pointers.xchg(ptr::null_mut(), Relaxed).cast();
        if !pointers.is_null() {
            synchronize_rcu();
            for cpu in 0..nr_cpu_ids() {
                // SAFETY: By the type invariant of the slot. The memory is ours by now.
                let value = unsafe { bindings::per_cpu_pointer(pointers, cpu) };
                if !value.is_null() {
                    // SAFETY: `online` has put a box there, which nobody can reach any more.
                    drop(unsafe { Pin::<KBox<T>>::from_foreign(value) });
                }
            }
            // SAFETY: It was allocated by `register`, and nobody refers to it any more.
            unsafe { bindings::free_percpu(pointers.cast()) };
        }
        self.slot.taken.store(false, Release);
    }
}
