// SPDX-License-Identifier: GPL-2.0

//! Kinds of network devices that rtnetlink creates, changes, dumps and deletes.
//!
//! A driver says what it does in three traits, as the kernel has three structures for it:
//! [`LinkOps`] is what rtnetlink asks (`struct rtnl_link_ops`), [`DeviceOps`] what the stack asks
//! of a device (`struct net_device_ops`), and [`NamespaceOps`] what is kept for each network
//! namespace (`struct pernet_operations`). The type that implements the first two is what the
//! driver keeps for one device. A [`Kind`] of it, a `static`, is what is registered.
//!
//! Where a method is given a [`Device`], that is registered, and its namespaces are there.
//!
//! C header: [`include/net/rtnetlink.h`](srctree/include/net/rtnetlink.h)

mod device;
mod device_ops;
mod kept;
mod kind;
mod link_ops;
mod private;
mod unregistered;

pub(crate) use self::{
    device::Device,
    kept::KeptDevice,
    kind::{
        Kind,
        KindNamespaces,
        KindRef,
        KindRegistration, //
    },
    unregistered::UnregisteredDevice, //
};
#[cfg(all(KUNIT_TESTS, CONFIG_KUNIT = "y"))]
pub(super) use self::{
    device_ops::VTable,
    private::Private, //
};

use super::{
    net_namespace::Net,
    netlink::{
        Attrs,
        ExtAck,
        Message, //
    },
    rtnl::Rtnl,
    skb::OwnedSkBuff, //
};

use kernel::{
    prelude::*,
    sync::rcu, //
};

/// What rtnetlink asks of a kind of devices (`struct rtnl_link_ops`).
pub(crate) trait LinkOps: DeviceOps {
    /// The name of the kind (`IFLA_INFO_KIND`).
    const NAME: &'static CStr;

    /// The room that [`Self::fill_info`] needs, in bytes.
    const INFO_SIZE: usize;

    /// The `static` that stands for this kind.
    const KIND: KindRef<Self>;

    /// What the driver keeps for one network namespace.
    type Namespace: NamespaceOps;

    /// Sets what all new devices have in common.
    fn setup(dev: &mut UnregisteredDevice<'_>);

    /// Makes the data of a device that is to be created, from the attributes of the request.
    fn newlink(request: &NewLink<'_>, ack: &mut ExtAck<'_>, rtnl: &Rtnl) -> Result<Self>;

    /// The device that was asked for is registered. An error unregisters it again.
    fn registered(dev: &Device<Self>, ack: &mut ExtAck<'_>, rtnl: &Rtnl) -> Result;

    /// Changes a device. An error leaves it as it was.
    fn changelink(
        dev: &Device<Self>,
        request: &ChangeLink<'_>,
        ack: &mut ExtAck<'_>,
        rtnl: &Rtnl,
    ) -> Result;

    /// Adds the attributes of a device to a message.
    fn fill_info(dev: &Device<Self>, message: &mut Message<'_>) -> Result;
}

/// What the network stack asks of a device (`struct net_device_ops`). The value itself is what the
/// driver keeps for one device.
pub(crate) trait DeviceOps: Sized + Send + Sync + 'static {
    /// Sets what depends on the data, before others can see the device.
    fn init(&self, dev: &mut UnregisteredDevice<'_>, link_net: &Net, rtnl: &Rtnl);

    /// The device is being unregistered. Called also after [`LinkOps::registered`] failed, and when
    /// others refused the device before that was reached.
    fn uninit(dev: &Device<Self>, rtnl: &Rtnl)
    where
        Self: LinkOps;

    /// Sends a packet. Softirqs are disabled.
    fn start_xmit(dev: &Device<Self>, skb: OwnedSkBuff, rcu: &rcu::Guard)
    where
        Self: LinkOps;

    /// The index, in the link namespace, of the device over which this one sends; 0 if it is bound
    /// to none.
    fn get_iflink(&self) -> c_int;
}

/// What a kind of devices does when a network namespace comes or goes (`struct pernet_operations`).
/// The value itself is what the driver keeps for the devices whose link namespace that is.
pub(crate) trait NamespaceOps: Sized + Send + Sync + 'static {
    /// Makes the data of one namespace.
    fn init() -> impl PinInit<Self, Error>;

    /// A namespace goes away; the devices whose link namespace it is are gone, others that are in
    /// it may be there for a moment. What [`Kind::hold`] has given out for it has to be dropped.
    fn exit(net: &Net);
}

/// A request to create a device.
pub(crate) struct NewLink<'a> {
    /// The attributes in `IFLA_INFO_DATA`.
    pub(crate) attrs: Attrs<'a>,
    /// The namespace to send to and receive from: `IFLA_LINK_NETNSID`, else the device's own.
    pub(crate) link_net: &'a Net,
}

/// A request to change a device.
pub(crate) struct ChangeLink<'a> {
    /// The attributes in `IFLA_INFO_DATA`.
    pub(crate) attrs: Attrs<'a>,
    /// Whether the sender has `CAP_NET_ADMIN` in the link namespace.
    pub(crate) link_net_capable: bool,
}
