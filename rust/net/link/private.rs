// SPDX-License-Identifier: GPL-2.0

//! The private area of a device, and the list of the devices that depend on a namespace.
//!
//! A device depends on its link namespace, which may be another one than its own. When the link
//! namespace goes away, the kernel does not look for devices in other namespaces. So each
//! namespace has a list of the devices that send to it, and these are unregistered with it. RTNL
//! protects the list.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h), `netdev_priv()`
//!
//! # Examples
//!
//! A driver reaches what lies in the private area through a [`Device`](super::Device):
//!
//! ```
//! use crate::net::link::{
//!     Device,
//!     LinkOps, //
//! };
//!
//! use kernel::sync::rcu;
//!
//! /// What the driver keeps for the device, and whether it sends to another namespace.
//! fn look<'a, T: LinkOps>(dev: &'a Device<T>, rcu: &rcu::Guard) -> (&'a T, bool) {
//!     (dev.data(), !dev.link_net().is(dev.net(rcu)))
//! }
//! # use crate::net::tests::device::Plain;
//! # let _: for<'a> fn(&'a Device<Plain>, &rcu::Guard) -> (&'a Plain, bool) = look;
//! ```

use super::{
    watch::Watches,
    LinkOps,
    NamespaceOps, //
};

use crate::{
    bindings,
    net::{
        atomic,
        net_namespace::Net,
        netdevice::KillList,
        pernet::{
            PerNet,
            PerNetRef, //
        },
        rtnl::{
            Rtnl,
            RtnlCell, //
        }, //
    }, //
};

use core::mem::MaybeUninit;

use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed,
        Release, //
    },
    types::Opaque, //
};

/// The private area of a device of the kind `T` (`netdev_priv()`). The kernel allocates it filled
/// with zeroes.
///
/// # Invariants
///
/// If `initialised` is set, `link_net` and `data` are initialised. If `registered` is set, the
/// device is registered or about to be, and is in the list of its link namespace. So it is
/// unregistered before that namespace goes. RTNL protects the list. When `registered` is withdrawn,
/// a grace period passes before RTNL is released or the device goes.
#[repr(C)]
pub(in crate::net) struct Private<T: LinkOps> {
    /// Whether `link_net`, `dev` and `data` are initialised.
    initialised: Atomic<bool>,
    /// Whether the device is in the list of its link namespace.
    registered: Atomic<bool>,
    /// The namespace to which the device sends.
    link_net: *const bindings::net,
    /// The device's place in [`Devices::head`].
    node: Opaque<kernel::bindings::list_head>,
    /// The device itself, for those who come from the list.
    dev: *mut bindings::net_device,
    /// What the driver keeps for the device.
    data: MaybeUninit<T>,
}

impl<T: LinkOps> Private<T> {
    /// Returns the private area of a device (`netdev_priv()`).
    pub(super) fn of(dev: *mut bindings::net_device) -> *mut Self {
        const { assert!(align_of::<Self>() <= bindings::NETDEV_ALIGN as usize) };
        // SAFETY: It only adds to the pointer.
        unsafe { (&raw const (*dev).priv_).cast_mut().cast() }
    }

    /// Returns what the driver keeps for the device.
    ///
    /// # Safety
    ///
    /// The area is initialised.
    pub(super) unsafe fn data(&self) -> &T {
        // SAFETY: The contract of this function, and the type invariant.
        unsafe { self.data.assume_init_ref() }
    }

    /// Returns the namespace to which the device sends.
    ///
    /// # Safety
    ///
    /// The area is initialised.
    pub(super) unsafe fn link_net(&self) -> &Net {
        // SAFETY: By the type invariant; whoever refers to the device is where it has been found
        // registered, or is about to be.
        unsafe { Net::from_raw(self.link_net) }
    }

    /// Returns whether the device is registered. Its private data need not be initialised.
    pub(super) fn is_registered(&self) -> bool {
        // Whoever reads this has found the device, and with it everything that was written before.
        // If the flag is set, what it says stays true until a grace period has passed.
        atomic::load(&self.registered)
    }

    /// Fills in the private area of a new device.
    ///
    /// # Safety
    ///
    /// `dev` is a new device of this kind, which nobody else can see.
    pub(super) unsafe fn initialise(dev: *mut bindings::net_device, link_net: &Net, data: T) {
        let private = Self::of(dev);
        // SAFETY: The contract of this function.
        unsafe {
            (*private).link_net = link_net.as_raw();
            (*private).dev = dev;
            (*private).data.write(data);
            // INVARIANT: Both were just written.
            (*private).initialised.store(true, Release);
            (*dev).priv_destructor = Some(Self::destroy);
        }
    }

    /// Drops the data, once (`dev->priv_destructor`).
    ///
    /// The kernel calls this when a device that was registered goes, and in some of the cases in
    /// which the registration fails. `newlink` calls it in the other cases.
    ///
    /// # Safety
    ///
    /// `dev` is of this kind, and nobody uses its private data any more.
    pub(super) unsafe extern "C" fn destroy(dev: *mut bindings::net_device) {
        // SAFETY: The device is valid, and nobody uses it any more.
        let private = unsafe { &mut *Self::of(dev) };
        if core::mem::take(private.initialised.get_mut()) {
            // SAFETY: By the type invariant it was initialised, and is not any more.
            unsafe { private.data.assume_init_drop() };
        }
    }

    /// Adds the device to the list of its link namespace.
    ///
    /// # Safety
    ///
    /// The device is about to be registered, its private data initialised, and in no list.
    pub(super) unsafe fn link(dev: *mut bindings::net_device, devices: &Devices<T>, _rtnl: &Rtnl) {
        // SAFETY: The contract of this function; RTNL is held, and the list is valid.
        unsafe {
            let private = Self::of(dev);
            kernel::bindings::list_add_tail((*private).node.get(), devices.head.get());
            // INVARIANT: It is in the list.
            (*private).registered.store(true, Relaxed);
        }
    }

    /// Takes the device out of the list of its link namespace, if it is there.
    ///
    /// # Safety
    ///
    /// The device is of this kind, and its private data are initialised. Either it was never
    /// visible, or a grace period passes before RTNL is released and before the device is freed.
    pub(super) unsafe fn unlink(dev: *mut bindings::net_device, _rtnl: &Rtnl) {
        // SAFETY: The contract of this function; RTNL is held, and the neighbours in the list are
        // valid by the type invariant.
        unsafe {
            let private = Self::of(dev);
            if (*private).registered.xchg(false, Relaxed) {
                bindings::list_del((*private).node.get().cast());
            }
        }
    }
}

/// The devices with one link namespace, and what the driver keeps for that namespace.
#[pin_data]
pub(crate) struct Devices<T: LinkOps> {
    /// The head of a list of [`Private::node`].
    #[pin]
    head: Opaque<kernel::bindings::list_head>,
    /// What tells devices that are in the namespace of its routes.
    pub(super) watches: RtnlCell<Watches<T>>,
    /// What the driver keeps.
    #[pin]
    pub(super) data: T::Namespace,
}

// SAFETY: The list is protected by RTNL, and the data may be shared.
unsafe impl<T: LinkOps> Send for Devices<T> {}
// SAFETY: As above.
unsafe impl<T: LinkOps> Sync for Devices<T> {}

impl<T: LinkOps> PerNet for Devices<T> {
    const SLOT: PerNetRef<Self> = {
        // SAFETY: It is in a `static`, by the contract of `KindRef`.
        unsafe { PerNetRef::from_raw(&raw const T::KIND.get().namespaces) }
    };

    fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            head <- Opaque::ffi_init(|head| {
                // SAFETY: `head` is valid for writes, and pinned.
                unsafe { kernel::bindings::INIT_LIST_HEAD(head) }
            }),
            watches: RtnlCell::new(Watches::new()),
            data <- T::Namespace::init(),
        })
    }

    fn exit(net: &Net) {
        T::Namespace::exit(net);
    }

    fn leave(self: Pin<&Self>, net: &Net) {
        self.data.leave(net);
    }

    fn exit_rtnl(self: Pin<&Self>, kill: &mut KillList<'_>, _rtnl: &Rtnl) {
        let head = self.head.get();
        // SAFETY: RTNL protects the list, whose members are linked through `node`. They stay in it
        // until the kernel unregisters what is in `kill`.
        unsafe {
            let mut node = (*head).next;
            while !core::ptr::eq(node, head) {
                let private = kernel::container_of!(Opaque::cast_from(node), Private<T>, node);
                bindings::unregister_netdevice_queue((*private).dev, kill.head);
                node = (*node).next;
            }
        }
    }
}
