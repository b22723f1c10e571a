// SPDX-License-Identifier: GPL-2.0

//! Kinds of network devices that rtnetlink creates, changes, dumps and deletes.
//!
//! A driver says what it does in three traits, as a C driver does in three structures:
//!
//! - [`LinkOps`] is what rtnetlink asks of a kind (`struct rtnl_link_ops`).
//! - [`DeviceOps`] is what the network stack asks of a device (`struct net_device_ops`).
//! - [`NamespaceOps`] is what the driver keeps for each network namespace (`struct
//!   pernet_operations`).
//!
//! The type that implements the first two is what the driver keeps for one device. A `static`
//! [`Kind`] of that type is what the driver registers.
//!
//! Where a method is given a [`Device`], the device is registered, and its namespaces exist.
//! Methods that are given an [`Rtnl`] run in process context with RTNL held, and may sleep.
//! [`DeviceOps::start_xmit`] runs with softirqs disabled, and must not sleep.
//!
//! C headers: [`include/net/rtnetlink.h`](srctree/include/net/rtnetlink.h),
//! [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)
//!
//! # Examples
//!
//! A kind of devices that drop every packet, and count those above a limit as errors:
//!
//! ```
//! use crate::net::{
//!     link::{
//!         ChangeLink,
//!         Device,
//!         DeviceOps,
//!         Kind,
//!         KindRef,
//!         LinkOps,
//!         NamespaceOps,
//!         NewLink,
//!         UnregisteredDevice, //
//!     },
//!     net_namespace::Net,
//!     netdevice::{
//!         Counter,
//!         Feature, //
//!     },
//!     netlink::{
//!         attr_size,
//!         ExtAck,
//!         Message,
//!         Policy,
//!         Rule, //
//!     },
//!     rtnl::Rtnl,
//!     skb::{
//!         DropReason,
//!         OwnedSkBuff, //
//!     }, //
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
//! /// The attribute in `IFLA_INFO_DATA`.
//! const LIMIT: u32 = 1;
//!
//! static POLICY: Policy<2> = Policy::new([Rule::strict_from(1), Rule::u32_min(1)]);
//!
//! static KIND: Kind<Dummy> = Kind::new(&POLICY);
//!
//! /// What the driver keeps for one device.
//! struct Dummy {
//!     limit: Atomic<u32>,
//! }
//!
//! impl LinkOps for Dummy {
//!     const NAME: &'static CStr = c"dummy_example";
//!
//!     const INFO_SIZE: usize = attr_size(4);
//!
//!     const KIND: KindRef<Self> = KindRef::new(&KIND);
//!
//!     type Namespace = Dummies;
//!
//!     fn setup(dev: &mut UnregisteredDevice<'_>) {
//!         dev.set_tunnel_defaults();
//!         dev.set_lockless();
//!     }
//!
//!     fn newlink(request: &NewLink<'_>, ack: &mut ExtAck<'_>, _rtnl: &Rtnl) -> Result<Self> {
//!         let Some(attr) = request.attrs.get(LIMIT) else {
//!             return Err(ack.missing(None, LIMIT, c"the limit is missing"));
//!         };
//!         Ok(Self {
//!             limit: Atomic::new(attr.u32()?),
//!         })
//!     }
//!
//!     fn registered(dev: &Device<Self>, _ack: &mut ExtAck<'_>, rtnl: &Rtnl) -> Result {
//!         // A namespace without data is being removed.
//!         let dummies = KIND.per_net_rtnl(dev.link_net(), rtnl).ok_or(ENODEV)?;
//!         dummies.count.fetch_add(1, Relaxed);
//!         Ok(())
//!     }
//!
//!     fn changelink(
//!         dev: &Device<Self>,
//!         request: &ChangeLink<'_>,
//!         ack: &mut ExtAck<'_>,
//!         rtnl: &Rtnl,
//!     ) -> Result {
//!         if !request.link_net_capable {
//!             return Err(ack.refuse(EPERM, None, c"no CAP_NET_ADMIN in the link namespace"));
//!         }
//!         if let Some(attr) = request.attrs.get(LIMIT) {
//!             dev.data().limit.store(attr.u32()?, Relaxed);
//!             dev.state_changed(rtnl);
//!         }
//!         Ok(())
//!     }
//!
//!     fn fill_info(dev: &Device<Self>, message: &mut Message<'_>) -> Result {
//!         message.put_u32(LIMIT, dev.data().limit.load(Relaxed))
//!     }
//! }
//!
//! impl DeviceOps for Dummy {
//!     fn init(&self, dev: &mut UnregisteredDevice<'_>, _link_net: &Net, _rtnl: &Rtnl) {
//!         dev.add_features(Feature::Sg | Feature::HwCsum);
//!         dev.randomise_address();
//!     }
//!
//!     fn uninit(dev: &Device<Self>, rtnl: &Rtnl) {
//!         if let Some(dummies) = KIND.per_net_rtnl(dev.link_net(), rtnl) {
//!             dummies.count.fetch_sub(1, Relaxed);
//!         }
//!     }
//!
//!     fn start_xmit(dev: &Device<Self>, skb: OwnedSkBuff, _rcu: &rcu::Guard) {
//!         if skb.len() > dev.data().limit.load(Relaxed) {
//!             dev.count(Counter::TxErrors);
//!         }
//!         dev.count(Counter::TxDropped);
//!         skb.free(DropReason::IP_OUTNOROUTES);
//!     }
//!
//!     fn get_iflink(&self) -> c_int {
//!         0
//!     }
//! }
//!
//! /// What the driver keeps for one network namespace.
//! struct Dummies {
//!     count: Atomic<u32>,
//! }
//!
//! impl NamespaceOps for Dummies {
//!     fn init() -> impl PinInit<Self, Error> {
//!         Ok(Self {
//!             count: Atomic::new(0),
//!         })
//!     }
//!
//!     fn exit(_net: &Net) {}
//! }
//!
//! // A module keeps both as long as it is loaded, and drops them in the reverse order.
//! let namespaces = KIND.register_namespaces()?;
//! let devices = KIND.register(&namespaces)?;
//!
//! # use crate::net::tests::bundle_key::init_net;
//! # let net = init_net();
//! let count = |rcu: &rcu::Guard| KIND.per_net(net, rcu).map(|it| it.count.load(Relaxed));
//! assert_eq!(count(&rcu::read_lock()), Some(0));
//!
//! drop(devices);
//! drop(namespaces);
//! assert_eq!(count(&rcu::read_lock()), None);
//! ```

mod device;
mod device_ops;
mod ethtool;
mod ingress;
mod kept;
mod kind;
mod link_ops;
mod private;
mod unregistered;
mod watch;

pub(crate) use self::{
    device::Device,
    ethtool::{
        Ethtool,
        EthtoolOps, //
    },
    ingress::Verdict,
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
    fib_events::FibEvent,
    net_namespace::Net,
    netlink::{
        Attrs,
        ExtAck,
        Message, //
    },
    rtnl::Rtnl,
    skb::{
        OwnedSkBuff,
        SkBuff, //
    }, //
};

use kernel::{
    prelude::*,
    sync::rcu, //
};

/// What rtnetlink asks of a kind of devices (`struct rtnl_link_ops`).
///
/// rtnetlink calls the methods in process context. For an example see the [module](self).
pub(crate) trait LinkOps: DeviceOps {
    /// The name of the kind (`IFLA_INFO_KIND`, `ops->kind`).
    const NAME: &'static CStr;

    /// The room that [`Self::fill_info`] needs, in bytes (`ops->get_size`).
    /// [`attr_size`](super::netlink::attr_size) calculates it.
    const INFO_SIZE: usize;

    /// The `static` that represents this kind.
    const KIND: KindRef<Self>;

    /// What the driver keeps for one network namespace.
    type Namespace: NamespaceOps;

    /// What the devices have for `ethtool`, if anything.
    const ETHTOOL: Option<&'static Ethtool<Self>> = None;

    /// Sets what all new devices have in common (`ops->setup`).
    fn setup(dev: &mut UnregisteredDevice<'_>);

    /// Makes the data of a device that is to be created, from the attributes of the request
    /// (`ops->newlink`). An error refuses the request.
    fn newlink(request: &NewLink<'_>, ack: &mut ExtAck<'_>, rtnl: &Rtnl) -> Result<Self>;

    /// Is called when the device that was requested is registered. An error unregisters it again.
    fn registered(dev: &Device<Self>, ack: &mut ExtAck<'_>, rtnl: &Rtnl) -> Result;

    /// Changes a device (`ops->changelink`). If it fails, it leaves the device as it was.
    fn changelink(
        dev: &Device<Self>,
        request: &ChangeLink<'_>,
        ack: &mut ExtAck<'_>,
        rtnl: &Rtnl,
    ) -> Result;

    /// Adds the attributes of a device to a message (`ops->fill_info`). Fails with `EMSGSIZE` if
    /// [`Self::INFO_SIZE`] is too small.
    fn fill_info(dev: &Device<Self>, message: &mut Message<'_>) -> Result;
}

/// What the network stack asks of a device (`struct net_device_ops`). A value of the type is what
/// the driver keeps for one device.
pub(crate) trait DeviceOps: Sized + Send + Sync + 'static {
    /// Sets what depends on the data, before others can see the device (`ndo_init`).
    fn init(&self, dev: &mut UnregisteredDevice<'_>, link_net: &Net, rtnl: &Rtnl);

    /// Is called when the device is being unregistered (`ndo_uninit`).
    ///
    /// That includes a device for which [`LinkOps::registered`] has failed, and one that others
    /// have refused before that was called.
    fn uninit(dev: &Device<Self>, rtnl: &Rtnl)
    where
        Self: LinkOps;

    /// Sends a packet (`ndo_start_xmit`). Softirqs are disabled. The packet is the driver's.
    fn start_xmit(dev: &Device<Self>, skb: OwnedSkBuff, rcu: &rcu::Guard)
    where
        Self: LinkOps;

    /// Returns the index, in the link namespace, of the device over which this one sends
    /// (`ndo_get_iflink`); 0 if it is bound to none.
    fn get_iflink(&self) -> c_int;

    /// Says where a packet goes that has come in by the device, and was shown to whoever watches
    /// the device (`rx_handler_func_t`). It begins with the network header. In softirq context; for
    /// devices with [`Device::set_ingress`].
    fn ingress(_dev: &Device<Self>, _skb: &mut SkBuff, _rcu: &rcu::Guard) -> Verdict
    where
        Self: LinkOps,
    {
        Verdict::Pass
    }

    /// Is told of a change of routes in the device's namespace, in atomic context; for devices with
    /// [`Device::watch_routes`]. If it fails, so does the command, where the kernel can still
    /// refuse it.
    fn routes_changed(_dev: &Device<Self>, _event: &FibEvent<'_>, _rcu: &rcu::Guard) -> Result
    where
        Self: LinkOps,
    {
        Ok(())
    }

    /// Is told that all it knows of routes is void, and will be told anew.
    fn forget_routes(_dev: &Device<Self>)
    where
        Self: LinkOps,
    {
    }

    /// Is told that the nexthop object `id` of the device's namespace is about to change, or has
    /// just changed. [`Net::nexthop_changes`] counts the change once it is done.
    fn nexthop_changes(_dev: &Device<Self>, _id: u32)
    where
        Self: LinkOps,
    {
    }
}

/// What a kind of devices does when a network namespace comes or goes (`struct pernet_operations`).
///
/// A value of the type is what the driver keeps for the devices whose link namespace that is.
pub(crate) trait NamespaceOps: Sized + Send + Sync + 'static {
    /// Makes the data of one namespace. May sleep.
    fn init() -> impl PinInit<Self, Error>;

    /// Is called when a namespace goes away and something has a hold of it. What [`Kind::hold`] has
    /// given out for the namespace has to be dropped. May sleep.
    ///
    /// The devices whose link namespace it is are gone. Others that are in it may exist for a
    /// moment.
    fn exit(net: &Net);

    /// Is called before what is kept for the namespace is dropped, when nobody refers to it any
    /// more: the last time that it can do anything with the namespace. May sleep.
    fn leave(&self, _net: &Net) {}
}

/// A request to create a device (`RTM_NEWLINK`).
pub(crate) struct NewLink<'a> {
    /// The attributes in `IFLA_INFO_DATA`.
    pub(crate) attrs: Attrs<'a>,
    /// The namespace to send to and to receive from: that of `IFLA_LINK_NETNSID`, or else the
    /// device's own.
    pub(crate) link_net: &'a Net,
}

/// A request to change a device (`RTM_NEWLINK`).
pub(crate) struct ChangeLink<'a> {
    /// The attributes in `IFLA_INFO_DATA`.
    pub(crate) attrs: Attrs<'a>,
    /// Whether the sender has `CAP_NET_ADMIN` in the link namespace.
    pub(crate) link_net_capable: bool,
}
