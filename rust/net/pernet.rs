// SPDX-License-Identifier: GPL-2.0

//! Data that a module keeps in each network namespace.
//!
//! C header: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h),
//! `struct pernet_operations`

use super::{
    atomic::{
        load_acquire,
        read_acquire,
        read_once, //
    },
    net_namespace::Net,
    netdevice::KillList,
    percpu_ref::PercpuRef,
    rcu::Pointer,
    rtnl::Rtnl, //
};

use crate::bindings;

use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::MaybeUninit,
    ptr::{
        self,
        NonNull, //
    }, //
};

use kernel::{
    error::to_result,
    num::casts::u32_as_usize,
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
    time::{
        delay::fsleep,
        Delta, //
    },
    types::Opaque, //
};

/// What a module keeps in each namespace.
pub(crate) trait PerNet: Sized + Send + Sync + 'static {
    /// The `static` that stands for this data.
    const SLOT: PerNetRef<Self>;

    /// Makes the data of one namespace.
    fn new() -> impl PinInit<Self, Error>;

    /// The namespace goes away: what devices depend on it have to be added to `kill`.
    fn exit_rtnl(self: Pin<&Self>, kill: &mut KillList<'_>, rtnl: &Rtnl);

    /// The namespace goes, and the data is about to. No more [`Hold`]s are given out; those that
    /// there are have to be dropped. Not called if there are none.
    fn exit(net: &Net);
}

/// Which `static` is the slot for data of type `T`.
///
/// The kernel's callbacks are told the namespace and no more, so the type has to say which slot
/// they are for. It says so in a constant, which is always the same, as the result of a function
/// need not be.
pub(crate) struct PerNetRef<T: PerNet>(*const PerNetSlot<T>);

impl<T: PerNet> PerNetRef<T> {
    /// # Safety
    ///
    /// `slot` is to a `static`.
    pub(crate) const unsafe fn from_raw(slot: *const PerNetSlot<T>) -> Self {
        Self(slot)
    }

    fn get(self) -> &'static PerNetSlot<T> {
        // SAFETY: By the contract of `from_raw`.
        unsafe { &*self.0 }
    }
}

/// What lies in the memory that the kernel keeps for a slot in each namespace, which it allocates
/// filled with zeroes.
#[repr(C)]
struct Stored<T> {
    /// To `kept`, while that is initialised and may be reached.
    live: Pointer<Kept<T>>,
    kept: MaybeUninit<Kept<T>>,
}

/// The data of a namespace, and who refers to that.
#[pin_data]
struct Kept<T> {
    /// Counts the [`Hold`]s.
    #[pin]
    holds: PercpuRef,
    #[pin]
    data: T,
}

/// Keeps what packets refer to in a namespace, as are its routes: the namespace may be on its way
/// out, but does not get as far as taking down its devices and routes until the last of these is
/// dropped.
///
/// # Invariants
///
/// It is a reference that `holds` counts. That is the one of the namespace whose [`Net::id`] is
/// `net`.
pub(crate) struct Hold {
    holds: NonNull<PercpuRef>,
    net: u64,
}

// SAFETY: It may be given back on any CPU.
unsafe impl Send for Hold {}
// SAFETY: As above.
unsafe impl Sync for Hold {}

impl Hold {
    /// Whether it keeps `net`.
    pub(crate) fn is_of(&self, net: &Net) -> bool {
        self.net == net.id()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; the exit waits for the count before the memory goes.
        unsafe { self.holds.as_ref().put() };
    }
}

/// A place in every namespace for data of type `T`, to be declared as a `static`.
///
/// # Invariants
///
/// While `live_id` is not zero, it is the id under which every namespace has a `Stored<T>`.
pub(crate) struct PerNetSlot<T: PerNet> {
    ops: Opaque<bindings::pernet_operations>,
    /// Written by the kernel when it registers `ops`.
    id: UnsafeCell<c_uint>,
    live_id: Atomic<u32>,
    taken: AtomicFlag,
    _data: PhantomData<T>,
}

// SAFETY: `ops` and `id` are written once, under `taken`, and then used by the kernel only.
unsafe impl<T: PerNet> Sync for PerNetSlot<T> {}

impl<T: PerNet> PerNetSlot<T> {
    /// A slot that is not registered yet.
    pub(crate) const fn new() -> Self {
        Self {
            ops: Opaque::uninit(),
            id: UnsafeCell::new(0),
            live_id: Atomic::new(0),
            taken: AtomicFlag::new(false),
            _data: PhantomData,
        }
    }

    /// Gives every namespace, present and future, its data. Fails with `EBUSY` when that was done
    /// before, with `EINVAL` when this is not [`PerNet::SLOT`], and with what [`PerNet::new`] fails
    /// with.
    pub(crate) fn register(&'static self) -> Result<PerNetRegistration<T>> {
        // The callbacks work on that one.
        if !ptr::eq(self, T::SLOT.0) {
            return Err(EINVAL);
        }
        if self.taken.xchg(true, Relaxed) {
            return Err(EBUSY);
        }
        let ops = bindings::pernet_operations {
            init: Some(Self::init),
            exit_rtnl: Some(Self::exit_rtnl),
            exit_batch: Some(Self::exit_batch),
            id: self.id.get(),
            size: size_of::<Stored<T>>(),
            ..Default::default()
        };
        // SAFETY: `taken` makes this the only writer, and nobody reads before the registration.
        unsafe { self.ops.get().write(ops) };
        // SAFETY: `ops` is initialised and static, and its callbacks fit `T`.
        let ret = unsafe { bindings::register_pernet_device(self.ops.get()) };
        to_result(ret).inspect_err(|_| self.taken.store(false, Relaxed))?;
        // SAFETY: The kernel wrote the id before the registration returned.
        let id = unsafe { *self.id.get() };
        // INVARIANT: The registration allocated the memory in every namespace and ran `init`.
        self.live_id.store(id, Release);
        Ok(PerNetRegistration { slot: self })
    }

    /// # Safety
    ///
    /// `net` is a namespace in which the kernel has allocated the memory of the slot `id`.
    unsafe fn stored(net: *const bindings::net, id: c_uint) -> *mut Stored<T> {
        // SAFETY: The contract of this function.
        unsafe { bindings::net_generic(net, id) }.cast()
    }

    fn find<'g>(&self, net: &Net, rcu: &'g rcu::Guard) -> Option<&'g Kept<T>> {
        let id = load_acquire(&self.live_id);
        if id == 0 {
            return None;
        }
        // What net_generic() does, which would enter RCU once more.
        //
        // SAFETY: The namespace is live, and the pointer replaced atomically.
        let generic = unsafe { read_acquire(&raw mut (*net.as_raw()).gen) };
        // The first device of a namespace is there before the memory is, and so are events of it.
        //
        // SAFETY: The structure begins with its length, and is freed a grace period after it was
        // replaced.
        if unsafe { read_once(generic.cast::<c_uint>()) } <= id {
            return None;
        }
        let array: *mut *mut Stored<T> = generic.cast();
        // SAFETY: The structure is an array of pointers, of that length.
        let stored = unsafe { read_once(array.add(u32_as_usize(id))) };
        // SAFETY: As above. The memory is there as long as the namespace can be referred to.
        unsafe { stored.as_ref() }?.live.get(rcu)
    }

    /// Keeps what packets refer to in `net`; `None` before the registration and once the namespace
    /// is being removed.
    pub(crate) fn hold(&self, net: &Net, rcu: &rcu::Guard) -> Option<Hold> {
        let holds = &self.find(net, rcu)?.holds;
        // INVARIANT: That is a reference.
        holds.try_get(rcu).then(|| Hold {
            holds: NonNull::from(holds),
            net: net.id(),
        })
    }

    /// The data in `net`; `None` before the registration and once the namespace is being removed.
    pub(crate) fn get<'g>(&self, net: &Net, rcu: &'g rcu::Guard) -> Option<Pin<&'g T>> {
        let data = &self.find(net, rcu)?.data;
        // SAFETY: It lies in an allocation of the kernel's that does not move.
        Some(unsafe { Pin::new_unchecked(data) })
    }

    /// As [`Self::get`], for those who hold RTNL, under which `exit_rtnl` runs before the data
    /// goes.
    pub(crate) fn get_rtnl<'g>(&self, net: &'g Net, _rtnl: &'g Rtnl) -> Option<Pin<&'g T>> {
        let rcu = rcu::read_lock();
        let data = ptr::from_ref(&self.find(net, &rcu)?.data);
        // SAFETY: A namespace is out of reach for holders of RTNL after `exit_rtnl`: its count is
        // zero and the devices that refer to it are gone. Before that its data is live.
        let data = unsafe { &*data };
        // SAFETY: It lies in an allocation of the kernel's that does not move.
        Some(unsafe { Pin::new_unchecked(data) })
    }

    /// # Safety
    ///
    /// The kernel calls this once for a namespace, after it has allocated the memory there.
    unsafe extern "C" fn init(net: *mut bindings::net) -> c_int {
        // What kmalloc() guarantees everywhere.
        const_assert!(align_of::<Stored<T>>() <= align_of::<u64>());

        // SAFETY: The kernel wrote the id and allocated the memory before it calls this.
        let stored = unsafe { Self::stored(net, *T::SLOT.get().id.get()) };
        // SAFETY: As above; the memory stays where it is.
        let kept: *mut Kept<T> = unsafe { &raw mut (*stored).kept }.cast();
        let init = try_pin_init!(Kept {
            holds <- PercpuRef::new(),
            data <- T::new(),
        }? Error);
        // SAFETY: As above.
        if let Err(err) = unsafe { pin_init::raw_try_init(kept, init) } {
            return err.to_errno();
        }
        // SAFETY: As above. The data was just initialised, and goes a grace period after
        // `exit_batch` has taken it out of reach.
        unsafe { (*stored).live.replace(kept) };
        0
    }

    /// # Safety
    ///
    /// The kernel calls this for a namespace for which `init` ran, with RTNL held.
    unsafe extern "C" fn exit_rtnl(net: *mut bindings::net, kill: *mut bindings::list_head) {
        // SAFETY: `init` ran for this namespace.
        let stored = unsafe { Self::stored(net, *T::SLOT.get().id.get()) };
        // SAFETY: The data is initialised until `exit_batch`, and does not move.
        let data = unsafe { Pin::new_unchecked(&(*stored).kept.assume_init_ref().data) };
        // SAFETY: The kernel calls this with RTNL held.
        let rtnl = unsafe { Rtnl::assume() };
        // SAFETY: The list is valid for the call.
        let mut kill = unsafe { KillList::from_raw(kill) };
        data.exit_rtnl(&mut kill, rtnl);
    }

    /// Calls `f` with each namespace of a list, and what is stored in it.
    ///
    /// # Safety
    ///
    /// `nets` is a list of namespaces, linked through `exit_list`, for which `init` ran.
    unsafe fn for_each(nets: *mut bindings::list_head, f: impl Fn(&Net, *mut Stored<T>)) {
        // SAFETY: The list is valid.
        let mut node = unsafe { (*nets).next };
        while !ptr::eq(node, nets) {
            // SAFETY: Its members are linked through `exit_list`.
            let net = unsafe { kernel::container_of!(node, bindings::net, exit_list) };
            // SAFETY: `init` ran, so the id is known and the memory allocated.
            let stored = unsafe { Self::stored(net, *T::SLOT.get().id.get()) };
            // SAFETY: The namespace is live until its exit is over.
            f(unsafe { Net::from_raw(net) }, stored);
            // SAFETY: As above.
            node = unsafe { (*node).next };
        }
    }

    /// # Safety
    ///
    /// The kernel calls this once for namespaces for which `init` and `exit_rtnl` ran.
    unsafe extern "C" fn exit_batch(nets: *mut bindings::list_head) {
        // Other devices of these namespaces may still receive packets, so the data must be out of
        // reach for a grace period before it is dropped. The memory itself outlives the devices.
        //
        // SAFETY: The kernel passes a list of namespaces for which `init` ran.
        unsafe {
            Self::for_each(nets, |_, stored| {
                (*stored).live.replace(ptr::null_mut());
                (*stored).kept.assume_init_ref().holds.kill();
            })
        };
        rcu::synchronize_rcu();
        // SAFETY: As above. INVARIANT: A grace period has passed, so nobody has a reference, and
        // this is the only place that drops the data.
        unsafe {
            Self::for_each(nets, |net, stored| {
                // Nobody can begin to hold anything any more.
                let holds = &(*stored).kept.assume_init_ref().holds;
                if holds.is_in_use() {
                    T::exit(net);
                }
                // Who holds something was to let go of it just now. The devices and routes of the
                // namespace go only after this, and after the RCU callbacks of what was let go.
                while holds.is_in_use() {
                    fsleep(Delta::from_millis(1));
                }
                (*stored).kept.assume_init_drop();
            })
        };
    }
}

/// Removes the data from every namespace when dropped.
pub(crate) struct PerNetRegistration<T: PerNet> {
    slot: &'static PerNetSlot<T>,
}

impl<T: PerNet> Drop for PerNetRegistration<T> {
    fn drop(&mut self) {
        self.slot.live_id.store(0, Release);
        // The memory goes with the registration, so nobody may be left who has read the id: packets
        // are done with it after a grace period, and what holds RTNL was unregistered before.
        rcu::synchronize_rcu();
        // SAFETY: It was registered, and is removed once.
        unsafe { bindings::unregister_pernet_device(self.slot.ops.get()) };
        self.slot.taken.store(false, Relaxed);
    }
}
