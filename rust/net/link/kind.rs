// SPDX-License-Identifier: GPL-2.0

//! Kinds of devices: their registration, and the data that they keep in namespaces.
//!
//! C headers: [`include/net/rtnetlink.h`](srctree/include/net/rtnetlink.h),
//! [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h)
//!
//! # Examples
//!
//! A module registers a kind in two steps. Between them it registers what devices need: a device
//! can be created as soon as the kind is registered.
//!
//! ```
//! use crate::net::link::{
//!     KindNamespaces,
//!     KindRegistration,
//!     LinkOps, //
//! };
//!
//! struct Module<T: LinkOps> {
//!     // Fields are dropped in this order: first the devices go, then what they need.
//!     _devices: KindRegistration<T>,
//!     _namespaces: KindNamespaces<T>,
//! }
//!
//! impl<T: LinkOps> Module<T> {
//!     fn new() -> Result<Self> {
//!         let kind = T::KIND.get();
//!         let namespaces = kind.register_namespaces()?;
//!         Ok(Self {
//!             _devices: kind.register(&namespaces)?,
//!             _namespaces: namespaces,
//!         })
//!     }
//! }
//!
//! # use crate::net::tests::{bundle_key::init_net, device::Plain};
//! # use kernel::sync::rcu;
//! # let net = init_net();
//! let module = Module::<Plain>::new()?;
//! {
//!     let rcu = rcu::read_lock();
//!     assert!(Plain::KIND.get().per_net(net, &rcu).is_some());
//!     // While this lives, the routes of the namespace stay.
//!     let hold = Plain::KIND.get().hold(net, &rcu).ok_or(ENODEV)?;
//!     assert!(hold.is_of(net));
//! }
//! // It can be registered once.
//! assert!(Module::<Plain>::new().err() == Some(EBUSY));
//!
//! drop(module);
//! assert!(Plain::KIND.get().per_net(net, &rcu::read_lock()).is_none());
//! ```

use super::{
    device_ops::VTable,
    private::Devices,
    LinkOps, //
};

use crate::{
    bindings,
    net::{
        net_namespace::Net,
        netlink::{
            Policy,
            Rule, //
        },
        pernet::{
            Hold,
            PerNetRegistration,
            PerNetSlot, //
        },
        rtnl::Rtnl, //
    }, //
};

use kernel::{
    error::to_result,
    prelude::*,
    sync::{
        atomic::{
            AtomicFlag,
            Relaxed, //
        },
        rcu, //
    },
    types::Opaque, //
};

/// Names the `static` that is the kind of the devices whose data are of type `T`.
///
/// It is the value of a constant, because the kernel's callbacks have to find the same kind each
/// time.
pub(crate) struct KindRef<T: LinkOps>(*const Kind<T>);

impl<T: LinkOps> KindRef<T> {
    /// Names `kind`.
    pub(crate) const fn new(kind: &'static Kind<T>) -> Self {
        Self(kind)
    }

    /// Returns the kind.
    pub(crate) const fn get(self) -> &'static Kind<T> {
        // SAFETY: The pointer was made from such a reference.
        unsafe { &*self.0 }
    }
}

/// A kind of devices. To be declared as a `static`.
pub(crate) struct Kind<T: LinkOps> {
    /// The callbacks of the devices, in memory that is read-only; the rest of this is not.
    ///
    /// Their address tells the devices of the kind from others. It is kept here because a constant
    /// may have another address each time it is used.
    netdev_ops: &'static bindings::net_device_ops,
    /// The callbacks of the kind; initialised once the kind is registered.
    link_ops: Opaque<bindings::rtnl_link_ops>,
    /// The rules for the attributes in `IFLA_INFO_DATA`.
    pub(super) rules: &'static [Rule],
    /// The place of what is kept for each namespace.
    pub(super) namespaces: PerNetSlot<Devices<T>>,
    /// Whether the kind is registered, or about to be.
    taken: AtomicFlag,
}

// SAFETY: `link_ops` is written once, under `taken`, and then used by the kernel only; the rest is
// immutable or made to be shared.
unsafe impl<T: LinkOps> Sync for Kind<T> {}

impl<T: LinkOps> Kind<T> {
    /// Makes a kind that is not registered. `policy` is for the attributes in `IFLA_INFO_DATA`.
    pub(crate) const fn new<const N: usize>(policy: &'static Policy<N>) -> Self {
        Self {
            netdev_ops: &VTable::<T>::OPS,
            link_ops: Opaque::uninit(),
            rules: policy.rules(),
            namespaces: PerNetSlot::new(),
            taken: AtomicFlag::new(false),
        }
    }

    /// Returns the callbacks of the devices.
    pub(super) fn netdev_ops(&self) -> &'static bindings::net_device_ops {
        self.netdev_ops
    }

    /// Prepares every namespace, present and future, for devices of this kind. May sleep. Fails
    /// with `EBUSY` when that was done already, with `EINVAL` when this is not [`LinkOps::KIND`],
    /// with `ENOMEM`, and with the error of [`NamespaceOps::init`](super::NamespaceOps::init).
    pub(crate) fn register_namespaces(&'static self) -> Result<KindNamespaces<T>> {
        Ok(KindNamespaces {
            _slot: self.namespaces.register()?,
        })
    }

    /// Lets rtnetlink create devices of this kind (`rtnl_link_register()`). May sleep. Fails with
    /// `EEXIST` when another kind has the name, with `EBUSY` when this one is registered already,
    /// and with `EINVAL` when this is not [`LinkOps::KIND`].
    pub(crate) fn register(
        &'static self,
        _namespaces: &KindNamespaces<T>,
    ) -> Result<KindRegistration<T>> {
        // The callbacks work on that kind.
        if !core::ptr::eq(self, T::KIND.0) {
            return Err(EINVAL);
        }
        if self.taken.xchg(true, Relaxed) {
            return Err(EBUSY);
        }
        // SAFETY: `taken` makes this the only writer, and nobody reads before the registration.
        unsafe { self.link_ops.get().write(Self::link_ops(self.rules)) };
        // SAFETY: The operations are initialised and static, and fit each other.
        let ret = unsafe { bindings::rtnl_link_register(self.link_ops.get()) };
        to_result(ret).inspect_err(|_| self.taken.store(false, Relaxed))?;
        Ok(KindRegistration { kind: self })
    }

    /// Returns what the driver keeps for the namespace `net`; `None` while it keeps nothing. The
    /// reference is valid until the critical section ends.
    pub(crate) fn per_net<'g>(
        &self,
        net: &Net,
        rcu: &'g rcu::Guard,
    ) -> Option<Pin<&'g T::Namespace>> {
        let devices = self.namespaces.get(net, rcu)?;
        // SAFETY: `data` is structurally pinned.
        Some(unsafe { devices.map_unchecked(|devices| &devices.data) })
    }

    /// Returns what the driver keeps for the namespace `net`, as [`Self::per_net`] does, for a
    /// caller who holds RTNL.
    pub(crate) fn per_net_rtnl<'g>(
        &self,
        net: &'g Net,
        rtnl: &'g Rtnl,
    ) -> Option<Pin<&'g T::Namespace>> {
        let devices = self.namespaces.get_rtnl(net, rtnl)?;
        // SAFETY: `data` is structurally pinned.
        Some(unsafe { devices.map_unchecked(|devices| &devices.data) })
    }

    /// Returns a [`Hold`], which keeps what packets refer to in `net`; `None` once the namespace is
    /// being removed.
    pub(crate) fn hold(&self, net: &Net, rcu: &rcu::Guard) -> Option<Hold> {
        self.namespaces.hold(net, rcu)
    }
}

/// Shows that every namespace is prepared for devices of the kind. When it is dropped, the data of
/// all namespaces go. That may sleep.
pub(crate) struct KindNamespaces<T: LinkOps> {
    _slot: PerNetRegistration<Devices<T>>,
}

/// Shows that a kind is registered. When it is dropped, the devices of the kind are unregistered in
/// all namespaces (`rtnl_link_unregister()`). That may sleep.
pub(crate) struct KindRegistration<T: LinkOps> {
    kind: &'static Kind<T>,
}

impl<T: LinkOps> Drop for KindRegistration<T> {
    fn drop(&mut self) {
        // SAFETY: It was registered, and is unregistered once.
        unsafe { bindings::rtnl_link_unregister(self.kind.link_ops.get()) };
        self.kind.taken.store(false, Relaxed);
    }
}
