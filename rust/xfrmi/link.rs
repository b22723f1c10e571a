// SPDX-License-Identifier: GPL-2.0

//! How XFRM interfaces are created, changed and dumped.

use super::{
    caches,
    if_id::IfId,
    namespace::Namespace,
    table,
    transmit,
    wait, //
};

use crate::{
    bindings,
    net::{
        device::{
            Device,
            Features,
            Unpublished, //
        },
        namespace::Net,
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
            ChangeLink,
            Kind,
            KindRef,
            Link,
            NewLink,
            Rtnl, //
        },
        skb::SkBuff, //
    }, //
};

use kernel::{
    prelude::*,
    sync::rcu, //
};

/// What tells the connections of a device from those of others.
pub(crate) enum Mode {
    /// One connection: that with its `if_id`.
    Static(IfId),
    /// Those that the metadata of packets name.
    External,
}

/// An XFRM interface.
pub(crate) struct Interface {
    mode: Mode,
    /// The index of the device to send through, in the link namespace; 0 for any.
    link: c_int,
}

const ATTRS: usize = bindings::__IFLA_XFRM_MAX as usize;

static KIND: Kind<Interface> = Kind::new(&POLICY);

static POLICY: Policy<ATTRS> = Policy::new([
    // CAST: The attribute's number is small.
    Rule::strict_from(bindings::IFLA_XFRM_COLLECT_METADATA as u16),
    Rule::u32(),
    Rule::u32(),
    Rule::flag(),
]);

/// The attributes of a request that say what a device is to be.
struct Parameters<'a> {
    link: Option<(Attr<'a>, u32)>,
    if_id: Option<(Attr<'a>, u32)>,
    external: Option<Attr<'a>>,
}

impl<'a> Parameters<'a> {
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

    /// The index of the device to send through, which has to exist; 0 if none is named.
    fn link(&self, net: &Net, ack: &mut ExtAck<'_>) -> Result<c_int> {
        let Some((attr, link)) = self.link else {
            return Ok(0);
        };
        // CAST: Negative indices are possible in the message, and belong to no device.
        let link = link as c_int;
        if link != 0 && net.device(link, &rcu::read_lock()).is_none() {
            return Err(ack.refuse(ENODEV, Some(attr), c"no device with the index in link"));
        }
        Ok(link)
    }
}

impl Interface {
    /// What tells the device's connections from those of others.
    pub(crate) fn mode(&self) -> &Mode {
        &self.mode
    }

    /// The `if_id` of a static device, in host byte order.
    pub(crate) fn if_id(&self) -> Option<u32> {
        match &self.mode {
            Mode::Static(if_id) => Some(if_id.get()),
            Mode::External => None,
        }
    }

    /// The `if_id` of the policies that a packet, which came in by the device through a state with
    /// `state_if_id`, has to satisfy.
    pub(crate) fn policy_if_id(&self, state_if_id: u32) -> u32 {
        match &self.mode {
            Mode::Static(if_id) => if_id.of_policies(state_if_id),
            Mode::External => state_if_id,
        }
    }

    /// The policy-relevant part of a change: the new `if_id`, if it is another one.
    fn new_if_id(
        &self,
        request: &Parameters<'_>,
        ack: &mut ExtAck<'_>,
    ) -> Result<Option<(u32, u32)>> {
        // CAST: As the device was created.
        if let Some((attr, _)) = request.link.filter(|(_, link)| *link as c_int != self.link) {
            return Err(ack.refuse(EINVAL, Some(attr), c"link can't be changed"));
        }
        match (self.if_id(), request.external, request.if_id) {
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

#[vtable]
impl Link for Interface {
    type PerNet = Namespace;

    const KIND: KindRef<Self> = KindRef::new(&KIND);

    const NAME: &'static CStr = c"xfrm";

    /// `IFLA_XFRM_LINK`, `IFLA_XFRM_IF_ID`, `IFLA_XFRM_COLLECT_METADATA`.
    const INFO_SIZE: usize = attr_size(4) + attr_size(4) + attr_size(0);

    fn per_net() -> impl PinInit<Namespace, Error> {
        Namespace::new()
    }

    fn namespace_exit(net: &Net) {
        caches::forget(net);
        wait::look();
    }

    fn setup(dev: &mut Unpublished<'_>) {
        dev.set_tunnel_defaults();
        dev.set_lockless();
    }

    fn new(request: &NewLink<'_>, ack: &mut ExtAck<'_>, rtnl: &Rtnl) -> Result<Self> {
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
                mode: Mode::External,
                link: 0,
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
            }),
        }
    }

    fn init(&self, dev: &mut Unpublished<'_>, link_net: &Net, _rtnl: &Rtnl) {
        dev.add_features(
            Features::SG | Features::FRAGLIST | Features::GSO_SOFTWARE | Features::HW_CSUM,
        );
        match link_net.device(self.link, &rcu::read_lock()) {
            Some(lower) => dev.inherit(lower),
            None => dev.randomise_address(),
        }
    }

    fn registered(dev: &Device<Self>, ack: &mut ExtAck<'_>, rtnl: &Rtnl) -> Result {
        table::add(dev, rtnl)
            .map_err(|err| ack.refuse(err, None, c"the device could not be added to the table"))
    }

    fn unregistered(dev: &Device<Self>, rtnl: &Rtnl) {
        table::remove(dev, rtnl);
        wait::look();
    }

    fn change(
        dev: &Device<Self>,
        request: &ChangeLink<'_>,
        ack: &mut ExtAck<'_>,
        rtnl: &Rtnl,
    ) -> Result {
        if !request.link_net_capable {
            return Err(ack.refuse(EPERM, None, c"no CAP_NET_ADMIN in the link namespace"));
        }
        let parameters = Parameters::of(&request.attrs)?;
        let Some((old, new)) = dev.data().new_if_id(&parameters, ack)? else {
            return Ok(());
        };
        let attr = parameters.if_id.map(|(attr, _)| attr);
        if table::is_taken(dev.link_net(), new, rtnl) {
            return Err(ack.refuse(EEXIST, attr, c"if_id belongs to another device"));
        }
        let Mode::Static(if_id) = dev.data().mode() else {
            return Ok(());
        };
        // No packet finds the device missing: it has both keys until it sends with the new one.
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

    fn link(&self) -> c_int {
        self.link
    }

    fn transmit(dev: &Device<Self>, skb: SkBuff, rcu: &rcu::Guard) {
        transmit::transmit(dev, skb, rcu);
    }
}
