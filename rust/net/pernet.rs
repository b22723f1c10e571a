// SPDX-License-Identifier: GPL-2.0

//! Data that a module keeps in each network namespace.
//!
//! A type that implements [`PerNet`] names a `static` [`PerNetSlot`]. [`PerNetSlot::register`]
//! makes a value in every namespace, present and future. The packet path finds the value of a
//! namespace with [`PerNetSlot::get`]. A [`Hold`] delays the end of a namespace for what is stored
//! and refers to its routes.
//!
//! Registration and its end may sleep, and so may the callbacks [`PerNet::exit_rtnl`] and
//! [`PerNet::exit`]. [`PerNetSlot::get`] and [`PerNetSlot::hold`] work in any context, in a
//! critical section.
//!
//! A driver of a kind of devices needs none of this: [`Kind`](super::link::Kind) has a slot, and
//! hands on the callbacks ([`NamespaceOps`](super::link::NamespaceOps)).
//!
//! C header: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h), `struct
//! pernet_operations`
//!
//! # Examples
//!
//! A module counts something in every namespace:
//!
//! ```
//! use crate::net::{
//!     net_namespace::Net,
//!     netdevice::KillList,
//!     pernet::{
//!         PerNet,
//!         PerNetRef,
//!         PerNetSlot, //
//!     },
//!     rtnl::Rtnl, //
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
//! struct Events {
//!     count: Atomic<u32>,
//! }
//!
//! static EVENTS: PerNetSlot<Events> = PerNetSlot::new();
//!
//! impl PerNet for Events {
//!     const SLOT: PerNetRef<Self> = {
//!         // SAFETY: It is a `static`.
//!         unsafe { PerNetRef::from_raw(&raw const EVENTS) }
//!     };
//!
//!     fn new() -> impl PinInit<Self, Error> {
//!         Ok(Self {
//!             count: Atomic::new(0),
//!         })
//!     }
//!
//!     fn exit_rtnl(self: Pin<&Self>, _kill: &mut KillList<'_>, _rtnl: &Rtnl) {}
//!
//!     fn exit(_net: &Net) {
//!         // Here everything has to be dropped that has a `Hold` of the namespace.
//!     }
//! }
//!
//! # use crate::net::tests::bundle_key::init_net;
//! # let net = init_net();
//! let registration = EVENTS.register()?;
//! {
//!     let rcu = rcu::read_lock();
//!     let events = EVENTS.get(net, &rcu).ok_or(ENODEV)?;
//!     events.count.fetch_add(1, Relaxed);
//!     assert_eq!(events.count.load(Relaxed), 1);
//!
//!     // While this lives, the routes of the namespace stay.
//!     let hold = EVENTS.hold(net, &rcu).ok_or(ENODEV)?;
//!     assert!(hold.is_of(net));
//! }
//! drop(registration);
//! assert!(EVENTS.get(net, &rcu::read_lock()).is_none());
//! ```

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

use crate::{
    bindings,
    compat::{
        casts::u32_as_usize,
        raw_try_init,
        rcu::synchronize_rcu, //
    }, //
};

use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::{
        offset_of,
        MaybeUninit, //
    },
    ptr::{
        self,
        NonNull, //
    }, //
};

use kernel::{
    error::to_result,
    interop::list::CList,
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

/// A type of values of which a module keeps one in each namespace.
pub(crate) trait PerNet: Sized + Send + Sync + 'static {
    /// The `static` that holds the values.
    const SLOT: PerNetRef<Self>;

    /// Makes the value of one namespace. May sleep.
    fn new() -> impl PinInit<Self, Error>;

    /// Is called when the namespace goes away. Devices that depend on the namespace have to be
    /// added to `kill`.
    fn exit_rtnl(self: Pin<&Self>, kill: &mut KillList<'_>, rtnl: &Rtnl);

    /// Is called before the value of the namespace is dropped, if there are [`Hold`]s. No more are
    /// given out. The module has to drop those that exist; the removal of the namespace waits for
    /// that. May sleep.
    fn exit(net: &Net);

    /// Is called before the value of the namespace is dropped, when nobody refers to it any more:
    /// the last time that it can do anything with the namespace. May sleep.
    fn leave(self: Pin<&Self>, _net: &Net) {}
}

/// Names the `static` that is the slot for values of type `T`.
///
/// The kernel tells its callbacks the namespace and no more, so the type has to name the slot. It
/// does so with a constant, which is always the same. The result of a function need not be.
pub(crate) struct PerNetRef<T: PerNet>(*const PerNetSlot<T>);

impl<T: PerNet> PerNetRef<T> {
    /// Names `slot`.
    ///
    /// # Safety
    ///
    /// `slot` is to a `static`.
    pub(crate) const unsafe fn from_raw(slot: *const PerNetSlot<T>) -> Self {
        Self(slot)
    }

    /// Returns the slot.
    fn get(self) -> &'static PerNetSlot<T> {
        // SAFETY: By the contract of `from_raw`.
        unsafe { &*self.0 }
    }
}

/// The memory that the kernel keeps for a slot in each namespace. The kernel allocates it filled
/// with zeroes.
#[repr(C)]
struct Stored<T> {
    /// Points to `kept`, while that is initialised and may be reached.
    live: Pointer<Kept<T>>,
    /// The data, while `live` points to it, and for a grace period after that.
    kept: MaybeUninit<Kept<T>>,
}

/// The data of a namespace, and the count of those who refer to them.
#[pin_data]
struct Kept<T> {
    /// Counts the [`Hold`]s.
    #[pin]
    holds: PercpuRef,
    /// The value of the namespace.
    #[pin]
    data: T,
}

/// Keeps what packets refer to in a namespace, for example its routes.
///
/// The namespace may be on its way out. But its removal does not get as far as taking down devices
/// and routes until the last `Hold` is dropped. A `Hold` can be dropped in any context.
///
/// # Invariants
///
/// This is a reference that `holds` counts. The count is that of the namespace whose [`Net::id`] is
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
    /// Returns whether it keeps `net`.
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

/// A place in every namespace for a value of type `T`. To be declared as a `static`.
///
/// # Invariants
///
/// While `live_id` is not zero, it is the id under which every namespace has a `Stored<T>`.
pub(crate) struct PerNetSlot<T: PerNet> {
    /// The callbacks; initialised once the slot is registered.
    ops: Opaque<bindings::pernet_operations>,
    /// The id of the slot. The kernel writes it when it registers `ops`.
    id: UnsafeCell<c_uint>,
    /// The id for readers; 0 while the slot is not registered.
    live_id: Atomic<u32>,
    /// Whether the slot is registered, or about to be.
    taken: AtomicFlag,
    _data: PhantomData<T>,
}

// SAFETY: `ops` and `id` are written once, under `taken`, and then used by the kernel only.
unsafe impl<T: PerNet> Sync for PerNetSlot<T> {}

impl<T: PerNet> PerNetSlot<T> {
    /// Makes a slot that is not registered.
    pub(crate) const fn new() -> Self {
        Self {
            ops: Opaque::uninit(),
            id: UnsafeCell::new(0),
            live_id: Atomic::new(0),
            taken: AtomicFlag::new(false),
            _data: PhantomData,
        }
    }

    /// Makes a value in every namespace, present and future (`register_pernet_device()`). May
    /// sleep.
    ///
    /// Fails with `EBUSY` when the slot is registered already, with `EINVAL` when it is not
    /// [`PerNet::SLOT`], with `ENOMEM`, and with the error of [`PerNet::new`].
    pub(crate) fn register(&'static self) -> Result<PerNetRegistration<T>> {
        // The callbacks work on that slot.
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

    /// Returns the memory of the slot `id` in `net` (`net_generic()`).
    ///
    /// # Safety
    ///
    /// `net` is a namespace in which the kernel has allocated the memory of the slot `id`.
    unsafe fn stored(net: *const bindings::net, id: c_uint) -> *mut Stored<T> {
        // SAFETY: The contract of this function.
        unsafe { bindings::net_generic(net, id) }.cast()
    }

    /// Returns the data of `net`, unless the slot is not registered or the data are out of reach.
    fn find<'g>(&self, net: &Net, rcu: &'g rcu::Guard) -> Option<&'g Kept<T>> {
        let id = load_acquire(&self.live_id);
        if id == 0 {
            return None;
        }
        // This is what net_generic() does; that would enter RCU once more.
        //
        // SAFETY: The namespace is live, and the pointer replaced atomically.
        let generic = unsafe { read_acquire(&raw mut (*net.as_raw()).gen_) };
        // The first device of a namespace exists before the memory does, and so do events of that
        // device.
        //
        // SAFETY: The structure begins with its length, and is freed a grace period after it was
        // replaced.
        if unsafe { read_once(generic.cast::<c_uint>()) } <= id {
            return None;
        }
        let array: *mut *mut Stored<T> = generic.cast();
        // SAFETY: The structure is an array of pointers, of that length.
        let stored = unsafe { read_once(array.add(u32_as_usize(id))) };
        // SAFETY: The kernel has written a pointer to the memory there. The memory exists as long
        // as the namespace can be referred to.
        unsafe { stored.as_ref() }?.live.get(rcu)
    }

    /// Returns a [`Hold`] of `net`, or `None` before the registration and once the namespace is
    /// being removed.
    pub(crate) fn hold(&self, net: &Net, rcu: &rcu::Guard) -> Option<Hold> {
        let holds = &self.find(net, rcu)?.holds;
        // INVARIANT: That is a reference.
        holds.try_get(rcu).then(|| Hold {
            holds: NonNull::from(holds),
            net: net.id(),
        })
    }

    /// Returns the value of `net`, or `None` before the registration and once the namespace is
    /// being removed. The reference is valid until the critical section ends.
    pub(crate) fn get<'g>(&self, net: &Net, rcu: &'g rcu::Guard) -> Option<Pin<&'g T>> {
        let data = &self.find(net, rcu)?.data;
        // SAFETY: It lies in an allocation of the kernel's that does not move.
        Some(unsafe { Pin::new_unchecked(data) })
    }

    /// Returns the value of `net`, as [`Self::get`] does, for a caller who holds RTNL. The value
    /// stays as long as RTNL is held, because `exit_rtnl` runs under RTNL before the value goes.
    pub(crate) fn get_rtnl<'g>(&self, net: &'g Net, _rtnl: &'g Rtnl) -> Option<Pin<&'g T>> {
        let rcu = rcu::read_lock();
        let data = ptr::from_ref(&self.find(net, &rcu)?.data);
        // SAFETY: A namespace is out of reach for holders of RTNL after `exit_rtnl`: its count is
        // zero and the devices that refer to it are gone. Before that its data is live.
        let data = unsafe { &*data };
        // SAFETY: It lies in an allocation of the kernel's that does not move.
        Some(unsafe { Pin::new_unchecked(data) })
    }

    /// Makes the value of a new namespace (`ops.init`).
    ///
    /// # Safety
    ///
    /// The kernel calls this once for a namespace, after it has allocated the memory there.
    unsafe extern "C" fn init(net: *mut bindings::net) -> c_int {
        // This alignment is what kmalloc() guarantees everywhere.
        const_assert!(align_of::<Stored<T>>() <= align_of::<u64>());

        // SAFETY: The kernel wrote the id and allocated the memory before it calls this.
        let stored = unsafe { Self::stored(net, *T::SLOT.get().id.get()) };
        // SAFETY: The memory is allocated, and stays where it is.
        let kept: *mut Kept<T> = unsafe { &raw mut (*stored).kept }.cast();
        let init = try_pin_init!(Kept {
            holds <- PercpuRef::new(),
            data <- T::new(),
        }? Error);
        // SAFETY: The memory is allocated, stays where it is, and nobody else uses it yet.
        if let Err(err) = unsafe { raw_try_init(kept, init) } {
            return err.to_errno();
        }
        // SAFETY: The data was just initialised, and goes a grace period after `exit_batch` has
        // taken it out of reach.
        unsafe { (*stored).live.replace(kept) };
        0
    }

    /// Lets the type add devices of a namespace that goes away to `kill` (`ops.exit_rtnl`).
    ///
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

    /// Calls `f` with each namespace of a list and its memory for this slot.
    ///
    /// # Safety
    ///
    /// `nets` is a list of namespaces, linked through `exit_list`, for which `init` ran.
    unsafe fn for_each(nets: *mut bindings::list_head, f: impl Fn(&Net, *mut Stored<T>)) {
        // SAFETY: The list is valid, its members are linked through `exit_list`, and nobody changes
        // it. They are live until their exit is over.
        let nets = unsafe {
            CList::<Net, { offset_of!(bindings::net, exit_list) }>::from_raw(nets.cast())
        };
        for net in nets.iter() {
            // SAFETY: `init` ran, so the id is known and the memory allocated.
            let stored = unsafe { Self::stored(net.as_raw(), *T::SLOT.get().id.get()) };
            f(net, stored);
        }
    }

    /// Drops the values of namespaces that go away (`ops.exit_batch`). It waits for a grace period
    /// and for every [`Hold`].
    ///
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
        synchronize_rcu();
        // INVARIANT: A grace period has passed, so nobody has a reference, and this is the only
        // place that drops the data.
        //
        // SAFETY: The kernel passes a list of namespaces for which `init` ran.
        unsafe {
            Self::for_each(nets, |net, stored| {
                // Nobody can begin to hold anything any more.
                let holds = &(*stored).kept.assume_init_ref().holds;
                if holds.is_in_use() {
                    T::exit(net);
                }
                // Whoever had a hold was just told to let go of it. The devices and routes of the
                // namespace go only after this, and after the RCU callbacks of what was let go.
                while holds.is_in_use() {
                    fsleep(Delta::from_millis(1));
                }
                Pin::new_unchecked(&(*stored).kept.assume_init_ref().data).leave(net);
                (*stored).kept.assume_init_drop();
            })
        };
    }
}

/// Shows that every namespace has its value. When it is dropped, it removes the values
/// (`unregister_pernet_device()`). That may sleep.
pub(crate) struct PerNetRegistration<T: PerNet> {
    slot: &'static PerNetSlot<T>,
}

impl<T: PerNet> Drop for PerNetRegistration<T> {
    fn drop(&mut self) {
        self.slot.live_id.store(0, Release);
        // The memory goes with the registration, so nobody may be left who has read the id. Packets
        // are done with it after a grace period. What holds RTNL was unregistered before.
        synchronize_rcu();
        // SAFETY: It was registered, and is removed once.
        unsafe { bindings::unregister_pernet_device(self.slot.ops.get()) };
        self.slot.taken.store(false, Relaxed);
    }
}
