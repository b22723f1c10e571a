// SPDX-License-Identifier: GPL-2.0

//! Values of which each CPU has its own, which the packet path finds without being given them.
//!
//! C headers: [`include/linux/percpu.h`](srctree/include/linux/percpu.h),
//! [`include/linux/cpuhotplug.h`](srctree/include/linux/cpuhotplug.h)

use super::atomic::load_acquire;

use crate::bindings;

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

/// What each CPU has one of.
pub(crate) trait PerCpu: Sized + Send + Sync + 'static {
    /// The `static` that stands for these.
    const SLOT: PerCpuRef<Self>;

    /// Makes that of the CPU on which it is called, so that its memory is near.
    fn new() -> impl PinInit<Self, Error>;
}

/// Which `static` is the slot for values of type `T`. A constant, because the kernel's callback has
/// to find the same one each time.
pub(crate) struct PerCpuRef<T: PerCpu>(*const PerCpuSlot<T>);

impl<T: PerCpu> PerCpuRef<T> {
    /// The slot is `slot`.
    pub(crate) const fn new(slot: &'static PerCpuSlot<T>) -> Self {
        Self(slot)
    }

    fn get(self) -> &'static PerCpuSlot<T> {
        // SAFETY: The pointer was made from such a reference.
        unsafe { &*self.0 }
    }
}

/// A place for a value of each CPU that has been online since the slot was registered, to be
/// declared as a `static`.
///
/// # Invariants
///
/// `pointers` is null, or what each CPU has a pointer in: null, or to a pinned value that the
/// [`PerCpuRegistration`] owns, which drops it a grace period after it has set `pointers` to null.
pub(crate) struct PerCpuSlot<T: PerCpu> {
    /// A `__percpu` pointer, which is no address.
    pointers: Atomic<*mut *mut T>,
    taken: AtomicFlag,
}

impl<T: PerCpu> PerCpuSlot<T> {
    /// A slot that is not registered.
    pub(crate) const fn new() -> Self {
        // INVARIANT: The pointer is null.
        Self {
            pointers: Atomic::new(ptr::null_mut()),
            taken: AtomicFlag::new(false),
        }
    }

    /// Makes a value on each CPU that is online, and later on those that come. Fails with `EBUSY`
    /// when that was done before, with `EINVAL` when this is not [`PerCpu::SLOT`], with `ENOMEM`,
    /// and with what [`PerCpu::new`] fails with.
    pub(crate) fn register(&'static self) -> Result<PerCpuRegistration<T>> {
        // The callback works on that one.
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
        // What was made so far, if that fails, goes with this.
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
        // CAST: What is not negative is one of these states.
        registration.state = Some(state as bindings::cpuhp_state);
        Ok(registration)
    }

    /// That of this CPU, if there is one; it stays valid for as long as the critical section
    /// `_rcu`.
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

    /// Those of all CPUs, in the same way.
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

    /// # Safety
    ///
    /// The kernel calls this on a CPU that comes online, while the slot is registered.
    unsafe extern "C" fn online(cpu: c_uint) -> c_int {
        let pointers: *mut c_void = load_acquire(&T::SLOT.get().pointers).cast();
        // SAFETY: By the type invariant.
        if !unsafe { bindings::per_cpu_pointer(pointers, cpu) }.is_null() {
            // It has been there before.
            return 0;
        }
        match KBox::pin_init(T::new(), GFP_KERNEL) {
            Ok(value) => {
                let value = value.into_foreign();
                // INVARIANT: The registration owns what is in the slot.
                //
                // SAFETY: By the type invariant; nobody else writes that of this CPU.
                unsafe { bindings::set_per_cpu_pointer(pointers, cpu, value) };
                0
            }
            Err(err) => err.to_errno(),
        }
    }
}

/// Each CPU has its value. When dropped, they are taken out, and dropped once nobody uses them.
pub(crate) struct PerCpuRegistration<T: PerCpu> {
    slot: &'static PerCpuSlot<T>,
    /// `None` if the kernel does not tell of CPUs.
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
            rcu::synchronize_rcu();
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
