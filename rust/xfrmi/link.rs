// SPDX-License-Identifier: GPL-2.0

//! How XFRM interfaces are created, changed and dumped.
//!
//! Requests of rtnetlink come here (`ip link add … type xfrm`, `ip link set … type xfrm`): in
//! process context, with RTNL held. A request that is refused says why, in its extended
//! acknowledgement. [`DeviceOps::start_xmit`] hands packets on to [`transmit`].
//!
//! C sources: `xfrmi_newlink()`, `xfrmi_changelink()`, `xfrmi_fill_info()` and `xfrmi_dev_init()`
//! in [`net/xfrm/xfrm_interface_core.c`](srctree/net/xfrm/xfrm_interface_core.c); C header:
//! [`include/uapi/linux/if_link.h`](srctree/include/uapi/linux/if_link.h), `IFLA_XFRM_*`

use super::{
    if_id::IfId,
    interface::{
        External,
        Interface,
        Mode, //
    },
    namespace::Namespace,
    stats::Stats,
    table,
    transmit,
    vrf_by_route,
    wait, //
};

use crate::{
    bindings,
    compat::casts::{
        u32_as_usize,
        u32_into_u16, //
    },
    net::{
        fib_events::FibEvent,
        link::{
            ChangeLink,
            Device,
            DeviceOps,
            Ethtool,
            Kind,
            KindRef,
            LinkOps,
            NewLink,
            UnregisteredDevice,
            Verdict, //
        },
        net_namespace::Net,
        netdevice::{
            Feature,
            NetDevice, //
        },
        netlink::{
            attr_size,
            Attr,
            Attrs,
            ExtAck,
            Message,
            Policy,
            Rule, //
        },
        rtnl::{
            self,
            Rtnl, //
        },
        skb::{
            OwnedSkBuff,
            SkBuff, //
        }, //
    }, //
};

use kernel::{
    prelude::*,
    sync::{
        atomic::Atomic,
        rcu, //
    }, //
};

/// How many types of attributes there are, with the unused type 0.
const ATTRS: usize = u32_as_usize(bindings::__IFLA_XFRM_MAX);

/// The kind of devices that the driver registers.
static KIND: Kind<Interface> = Kind::new(&POLICY);

/// What the attributes have to be: two numbers and a flag (`IFLA_XFRM_*`).
static POLICY: Policy<ATTRS> = Policy::new([
    Rule::strict_from(u32_into_u16::<{ bindings::IFLA_XFRM_COLLECT_METADATA }>()),
    Rule::u32(),
    Rule::u32(),
    Rule::flag(),
]);

/// The attributes of a request that say what a device is to be. A number comes with its attribute,
/// for errors that concern it.
struct Parameters<'a> {
    /// `IFLA_XFRM_LINK`: the index of the device to send through.
    link: Option<(Attr<'a>, u32)>,
    /// `IFLA_XFRM_IF_ID`, in host byte order.
    if_id: Option<(Attr<'a>, u32)>,
    /// `IFLA_XFRM_COLLECT_METADATA`.
    external: Option<Attr<'a>>,
}

impl<'a> Parameters<'a> {
    /// Reads the attributes. Fails with `EINVAL` if a number is too short.
    fn of(attrs: &Attrs<'a>) -> Result<Self> {
        let number = |kind| -> Result<Option<(Attr<'a>, u32)>> {
            let Some(attr) = attrs.get(kind) else {
                return Ok(None);
            };
            Ok(Some((attr, attr.u32()?)))
        };
        Ok(Self {
            link: number(bindings::IFLA_XFRM_LINK)?,
            if_id: number(bindings::IFLA_XFRM_IF_ID)?,
            external: attrs.get(bindings::IFLA_XFRM_COLLECT_METADATA),
        })
    }

    /// The index of the device to send through; 0 if none is named. Fails with `ENODEV` if `net`
    /// has no such device.
    fn link(&self, net: &Net, ack: &mut ExtAck<'_>) -> Result<c_int> {
        let Some((attr, link)) = self.link else {
            return Ok(0);
        };
        // CAST: Negative indices are possible in the message, and belong to no device.
        let link = link as c_int;
        if link != 0 && NetDevice::by_index(net, link, &rcu::read_lock()).is_none() {
            return Err(ack.refuse(ENODEV, Some(attr), c"no device with the index in link"));
        }
        Ok(link)
    }

    /// What a request changes of `interface`: the `if_id` that it has and the new one. `None` if it
    /// changes nothing; fails with `EINVAL` if it is to change what can't be changed.
    fn change_of_if_id(
        &self,
        interface: &Interface,
        ack: &mut ExtAck<'_>,
    ) -> Result<Option<(u32, u32)>> {
        // CAST: As the device was created.
        if let Some((attr, _)) = self
            .link
            .filter(|(_, link)| *link as c_int != interface.link)
        {
            return Err(ack.refuse(EINVAL, Some(attr), c"link can't be changed"));
        }
        match (interface.if_id(), self.external, self.if_id) {
            (Some(_), Some(attr), _) => {
                Err(ack.refuse(EINVAL, Some(attr), c"collect_md can't be changed"))
            }
            (None, _, Some((attr, if_id))) if if_id != 0 => {
                Err(ack.refuse(EINVAL, Some(attr), c"an external device has no if_id"))
            }
            (Some(_), None, Some((attr, 0))) => {
                Err(ack.refuse(EINVAL, Some(attr), c"if_id must be non zero"))
            }
            (Some(old), None, Some((_, new))) if new != old => Ok(Some((old, new))),
            _ => Ok(None),
        }
    }
}

impl LinkOps for Interface {
    const NAME: &'static CStr = c"xfrm";

    /// `IFLA_XFRM_LINK`, `IFLA_XFRM_IF_ID`, `IFLA_XFRM_COLLECT_METADATA`.
    const INFO_SIZE: usize = attr_size(4) + attr_size(4) + attr_size(0);

    const KIND: KindRef<Self> = KindRef::new(&KIND);

    const ETHTOOL: Option<&'static Ethtool<Self>> = Some(&Ethtool::NEW);

    type Namespace = Namespace;

    fn setup(dev: &mut UnregisteredDevice<'_>) {
        dev.set_tunnel_defaults();
        dev.set_lockless();
    }

    fn newlink(request: &NewLink<'_>, ack: &mut ExtAck<'_>, rtnl: &Rtnl) -> Result<Self> {
        let parameters = Parameters::of(&request.attrs)?;
        if let Some(attr) = parameters.external {
            let set = |(_, value): &(Attr<'_>, u32)| *value != 0;
            if let Some((attr, _)) = parameters.link.filter(set).or(parameters.if_id.filter(set)) {
                return Err(ack.refuse(EINVAL, Some(attr), c"link and if_id must be zero"));
            }
            if table::has_external(request.link_net, rtnl) {
                let why = c"the namespace has a device with collect_md already";
                return Err(ack.refuse(EEXIST, Some(attr), why));
            }
            return Ok(Self {
                mode: Mode::External(KBox::pin_init(External::new(), GFP_KERNEL)?),
                link: 0,
                check_before_ingress: Atomic::new(true),
                skip_queue: Atomic::new(true),
                stats: Stats::new()?,
            });
        }
        match parameters.if_id {
            None => Err(ack.missing(None, bindings::IFLA_XFRM_IF_ID, c"if_id must be non zero")),
            Some((attr, 0)) => Err(ack.refuse(EINVAL, Some(attr), c"if_id must be non zero")),
            Some((attr, if_id)) if table::is_taken(request.link_net, if_id, rtnl) => {
                Err(ack.refuse(EEXIST, Some(attr), c"if_id belongs to another device"))
            }
            Some((_, if_id)) => Ok(Self {
                mode: Mode::Static(IfId::new(if_id)),
                link: parameters.link(request.link_net, ack)?,
                check_before_ingress: Atomic::new(true),
                skip_queue: Atomic::new(true),
                stats: Stats::new()?,
            }),
        }
    }

    fn registered(dev: &Device<Self>, ack: &mut ExtAck<'_>, rtnl: &Rtnl) -> Result {
        table::add(dev, rtnl)
            .map_err(|err| ack.refuse(err, None, c"the device could not be added to the table"))
    }

    fn changelink(
        dev: &Device<Self>,
        request: &ChangeLink<'_>,
        ack: &mut ExtAck<'_>,
        rtnl: &Rtnl,
    ) -> Result {
        if !request.link_net_capable {
            return Err(ack.refuse(EPERM, None, c"no CAP_NET_ADMIN in the link namespace"));
        }
        let parameters = Parameters::of(&request.attrs)?;
        let Some((old, new)) = parameters.change_of_if_id(dev.data(), ack)? else {
            return Ok(());
        };
        let attr = parameters.if_id.map(|(attr, _)| attr);
        if table::is_taken(dev.link_net(), new, rtnl) {
            return Err(ack.refuse(EEXIST, attr, c"if_id belongs to another device"));
        }
        let Mode::Static(if_id) = dev.data().mode() else {
            return Ok(());
        };
        // No packet misses the device: it is in the table under both numbers until it sends with
        // the new one.
        table::add_key(dev, new, rtnl)
            .map_err(|err| ack.refuse(err, attr, c"the device could not be added to the table"))?;
        if_id.change(new);
        table::remove_key(dev, old, rtnl);
        rtnl::synchronize_net(rtnl);
        dev.state_changed(rtnl);
        Ok(())
    }

    fn fill_info(dev: &Device<Self>, message: &mut Message<'_>) -> Result {
        let interface = dev.data();
        // CAST: The attribute is unsigned, the index signed.
        message.put_u32(bindings::IFLA_XFRM_LINK, interface.link as u32)?;
        message.put_u32(bindings::IFLA_XFRM_IF_ID, interface.if_id().unwrap_or(0))?;
        if interface.if_id().is_none() {
            message.put_flag(bindings::IFLA_XFRM_COLLECT_METADATA)?;
        }
        Ok(())
    }
}

impl DeviceOps for Interface {
    fn init(&self, dev: &mut UnregisteredDevice<'_>, link_net: &Net, _rtnl: &Rtnl) {
        dev.add_features(Feature::Sg | Feature::FragList | Feature::GsoSoftware | Feature::HwCsum);
        dev.allow_big_tcp();
        match NetDevice::by_index(link_net, self.link, &rcu::read_lock()) {
            Some(lower) => dev.inherit(lower),
            None => dev.randomise_address(),
        }
    }

    fn uninit(dev: &Device<Self>, rtnl: &Rtnl) {
        table::remove(dev, rtnl);
        wait::look();
    }

    fn start_xmit(dev: &Device<Self>, skb: OwnedSkBuff, rcu: &rcu::Guard) {
        transmit::transmit(dev, skb, rcu);
    }

    fn get_iflink(&self) -> c_int {
        self.link
    }

    fn ingress(dev: &Device<Self>, skb: &mut SkBuff, rcu: &rcu::Guard) -> Verdict {
        vrf_by_route::ingress(dev, skb, rcu)
    }

    fn routes_changed(dev: &Device<Self>, event: &FibEvent<'_>, rcu: &rcu::Guard) -> Result {
        vrf_by_route::routes_changed(dev, event, rcu)
    }

    fn forget_routes(dev: &Device<Self>) {
        vrf_by_route::forget_routes(dev);
    }

    fn nexthop_changes(dev: &Device<Self>, id: u32) {
        vrf_by_route::nexthop_changes(dev, id);
    }
}
