// SPDX-License-Identifier: GPL-2.0

//! Kinds of devices, and what rtnetlink calls for them.

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

/// Which `static` is the kind of the devices whose data are of type `T`. A constant, because the
/// kernel's callbacks have to find the same one each time.
pub(crate) struct KindRef<T: LinkOps>(*const Kind<T>);

impl<T: LinkOps> KindRef<T> {
    /// The kind is `kind`.
    pub(crate) const fn new(kind: &'static Kind<T>) -> Self {
        Self(kind)
    }

    /// The kind.
    pub(crate) const fn get(self) -> &'static Kind<T> {
        // SAFETY: The pointer was made from such a reference.
        unsafe { &*self.0 }
    }
}

/// A kind of devices, to be declared as a `static`.
pub(crate) struct Kind<T: LinkOps> {
    /// In memory that is read-only, as the rest of this is not. What tells the devices of the kind
    /// from others is the address, which nothing promises to be the same each time the constant is
    /// used.
    netdev_ops: &'static bindings::net_device_ops,
    link_ops: Opaque<bindings::rtnl_link_ops>,
    pub(super) rules: &'static [Rule],
    pub(super) namespaces: PerNetSlot<Devices<T>>,
    taken: AtomicFlag,
}

// SAFETY: `link_ops` is written once, under `taken`, and then used by the kernel only; the rest is
// immutable or made to be shared.
unsafe impl<T: LinkOps> Sync for Kind<T> {}

impl<T: LinkOps> Kind<T> {
    /// A kind that is not registered yet. `policy` is for the attributes in `IFLA_INFO_DATA`.
    pub(crate) const fn new<const N: usize>(policy: &'static Policy<N>) -> Self {
        Self {
            netdev_ops: &VTable::<T>::OPS,
            link_ops: Opaque::uninit(),
            rules: policy.rules(),
            namespaces: PerNetSlot::new(),
            taken: AtomicFlag::new(false),
        }
    }

    pub(super) fn netdev_ops(&self) -> &'static bindings::net_device_ops {
        self.netdev_ops
    }

    /// Prepares every namespace for devices of this kind.
    pub(crate) fn register_namespaces(&'static self) -> Result<KindNamespaces<T>> {
        Ok(KindNamespaces {
            _slot: self.namespaces.register()?,
        })
    }

    /// Lets rtnetlink create devices of this kind. Fails with `EEXIST` when the name is taken, and
    /// with `EINVAL` when this is not [`LinkOps::KIND`].
    pub(crate) fn register(
        &'static self,
        _namespaces: &KindNamespaces<T>,
    ) -> Result<KindRegistration<T>> {
        // The callbacks work on that one.
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

    /// What the driver keeps for the namespace `net`; `None` while it keeps nothing.
    pub(crate) fn per_net<'g>(
        &self,
        net: &Net,
        rcu: &'g rcu::Guard,
    ) -> Option<Pin<&'g T::Namespace>> {
        let devices = self.namespaces.get(net, rcu)?;
        // SAFETY: `data` is structurally pinned.
        Some(unsafe { devices.map_unchecked(|devices| &devices.data) })
    }

    /// As [`Self::per_net`], for those who hold RTNL.
    pub(crate) fn per_net_rtnl<'g>(
        &self,
        net: &'g Net,
        rtnl: &'g Rtnl,
    ) -> Option<Pin<&'g T::Namespace>> {
        let devices = self.namespaces.get_rtnl(net, rtnl)?;
        // SAFETY: `data` is structurally pinned.
        Some(unsafe { devices.map_unchecked(|devices| &devices.data) })
    }

    /// Keeps what packets refer to in `net`; `None` once it is being removed.
    pub(crate) fn hold(&self, net: &Net, rcu: &rcu::Guard) -> Option<Hold> {
        self.namespaces.hold(net, rcu)
    }
}

/// Every namespace is prepared for devices of the kind; undone when dropped.
pub(crate) struct KindNamespaces<T: LinkOps> {
    _slot: PerNetRegistration<Devices<T>>,
}

/// A kind is registered. When dropped, its devices are unregistered, in all namespaces.
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
