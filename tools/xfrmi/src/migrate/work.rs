// SPDX-License-Identifier: GPL-2.0

//! The changes, in the order in which packets lose nothing.

use anyhow::{Context, Result, bail};
use netlink_packet_core::{NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope},
    route::{RouteMessage, RouteProtocol, RouteType},
};

use super::{
    Work, nexthops, own_device,
    requests::{as_request, is_asked_for, onto},
    steps::Change,
};
use crate::{
    connections::MAIN,
    links::Link,
    routes::{self, Query, Route},
};

impl Work<'_> {
    fn make(&mut self, what: impl Into<String>, change: Change, undo: Change) -> Result<()> {
        self.steps.make(&mut self.netlink, what, &change, undo)
    }

    pub fn go_external(&mut self) -> Result<()> {
        if !self.own.up {
            bail!("{} is down, so no route leads to it", self.own.name);
        }
        self.addresses()?;
        self.routes()?;
        self.verify()?;
        // What comes in belongs to this device as long as it has the if_id, even when it is on its way to
        // be deleted: so it gets another one first.
        let free = self.free_if_id()?;
        self.make(
            format!("{} without its if_id", self.own.name),
            own_device::renumber(self.own, free),
            own_device::renumber(self.own, self.if_id),
        )?;
        let delete = own_device::delete(&self.own.name);
        self.steps.last(
            &mut self.netlink,
            format!("{} goes", self.own.name),
            &delete,
        )
    }

    /// An if_id that no connection has.
    fn free_if_id(&self) -> Result<u32> {
        let taken: Vec<_> = self
            .snapshot
            .connections()
            .iter()
            .map(|one| one.if_id)
            .collect();
        (1..=u32::MAX)
            .rev()
            .find(|id| !taken.contains(id))
            .context("no if_id is free")
    }

    pub fn go_static(&mut self) -> Result<()> {
        if !self.own.up {
            bail!(
                "{} is down, and the driver gives to it what comes in: set it up first",
                self.own.name
            );
        }
        self.routes()?;
        self.verify()
    }

    /// The tenant's addresses, which go with the static device: to the VRF, or the external device.
    fn addresses(&mut self) -> Result<()> {
        let host = self.snapshot.links.vrf_of(self.own).unwrap_or(self.goal);
        let found = self
            .netlink
            .dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()))?;
        for message in found {
            let RouteNetlinkMessage::NewAddress(mut message) = message else {
                continue;
            };
            if message.header.index != self.own.index || message.header.scope == AddressScope::Link
            {
                continue;
            }
            message.header.index = host.index;
            // Routes come by themselves, and a name is that of a device.
            let mut flags = AddressFlags::Noprefixroute;
            if message.header.family == AddressFamily::Inet6 {
                flags |= AddressFlags::Nodad;
            }
            message.attributes.retain(|attribute| {
                matches!(
                    attribute,
                    AddressAttribute::Local(_) | AddressAttribute::Address(_)
                )
            });
            message.attributes.push(AddressAttribute::Flags(flags));
            let there = self.has_address(host, &message);
            let add = RouteNetlinkMessage::NewAddress(message.clone());
            let delete = RouteNetlinkMessage::DelAddress(message);
            if !there {
                self.make(
                    format!("an address of {} on {}", self.own.name, host.name),
                    Change::Route(add, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL),
                    Change::Route(delete, NLM_F_ACK),
                )?;
            }
        }
        Ok(())
    }

    fn has_address(&self, host: &Link, message: &AddressMessage) -> bool {
        message.attributes.iter().any(|attribute| match attribute {
            AddressAttribute::Local(address) | AddressAttribute::Address(address) => {
                self.snapshot.links.has_address(host.index, *address)
            }
            _ => false,
        })
    }

    /// The routes, all of a family in one step.
    fn routes(&mut self) -> Result<()> {
        let mut objects = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            objects.extend(self.onto_object(family)?.map(|id| (id, family)));
        }
        for (id, family) in objects {
            self.make(
                format!("nexthop {id}: another device"),
                Change::Nexthop(nexthops::replace(id, family, &self.to)),
                Change::Nexthop(nexthops::replace(id, family, &self.from)),
            )?;
        }
        Ok(())
    }

    /// Puts all routes of a family that lead there onto one nexthop object; its number.
    fn onto_object(&mut self, family: AddressFamily) -> Result<Option<u32>> {
        let mut request = RouteMessage::default();
        request.header.address_family = family;
        let found = self.netlink.dump(RouteNetlinkMessage::GetRoute(request))?;
        let messages = found.into_iter().filter_map(|message| match message {
            RouteNetlinkMessage::NewRoute(message) => Some(message),
            _ => None,
        });
        let mut own = Vec::new();
        for message in messages {
            let Some(route) = Route::new(&message) else {
                continue;
            };
            // That to an address of the machine's own goes with that.
            let to_itself = self
                .snapshot
                .links
                .has_address(self.own.index, route.destination.addr())
                && route.destination.prefix_len() == route.destination.max_prefix_len();
            if route.hops.iter().any(|hop| self.leads(hop)) && is_asked_for(&message) && !to_itself
            {
                own.push((message, route));
            }
        }
        if own.is_empty() {
            return Ok(None);
        }
        let known = own[0].1.nexthop.filter(|id| {
            own.iter()
                .all(|(_, route)| route.nexthop == Some(*id) && route.hops.len() == 1)
        });
        self.moved
            .extend(own.iter().map(|(_, route)| route.clone()));
        if let Some(id) = known {
            return Ok(Some(id));
        }
        if let Some((_, route)) = own
            .iter()
            .find(|(_, one)| one.hops.len() > 1 || one.nexthop.is_some())
        {
            bail!(
                "the route to {} has several next hops, or a nexthop object that others have, too: \
                 change that first",
                route.destination
            );
        }
        let taken = nexthops::taken(&mut self.netlink)?;
        let id = (self.if_id..)
            .find(|id| *id != 0 && !taken.contains(id))
            .context("no number is free")?;
        self.make(
            format!("nexthop {id}"),
            Change::Nexthop(nexthops::create(id, family, &self.from)),
            Change::Nexthop(nexthops::delete(id)),
        )?;
        for (message, route) in &own {
            let new = onto(id, message);
            let what = format!("the route to {}", route.destination);
            if message.header.protocol == RouteProtocol::Kernel {
                // It goes with the address; this one is beside it.
                let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND;
                let delete = RouteNetlinkMessage::DelRoute(new.clone());
                let add = RouteNetlinkMessage::NewRoute(new);
                self.make(
                    what,
                    Change::Route(add, flags),
                    Change::Route(delete, NLM_F_ACK),
                )?;
            } else {
                let flags = NLM_F_ACK | NLM_F_REPLACE;
                let old = RouteNetlinkMessage::NewRoute(as_request(message));
                let new = RouteNetlinkMessage::NewRoute(new);
                self.make(what, Change::Route(new, flags), Change::Route(old, flags))?;
            }
        }
        Ok(Some(id))
    }

    /// Whether a hop is one that is to be changed.
    fn leads(&self, hop: &routes::Hop) -> bool {
        hop.device == Some(self.from.device)
            && hop.if_id == self.from.connection.map(|(if_id, _)| if_id)
    }

    /// Whether packets go by the other device now.
    fn verify(&mut self) -> Result<()> {
        if self.moved.is_empty() {
            bail!("no route leads to if_id {} by the other device", self.if_id);
        }
        for route in self.moved.clone() {
            let vrf = self
                .snapshot
                .links
                .vrf_of_table(route.table)
                .map(|vrf| vrf.index);
            // What no rule leads to can't be asked for; and what came with an address is there until the
            // static device goes.
            let is_hidden = vrf.is_none() && route.table != MAIN;
            if is_hidden || route.protocol == RouteProtocol::Kernel {
                continue;
            }
            let query = Query {
                output: vrf,
                ..Query::default()
            };
            let to = route.destination.addr();
            // A longer prefix may have the first address of this one.
            let found = routes::lookup(&mut self.netlink, to, &query, false)
                .with_context(|| format!("{} can't be reached any more", route.destination))?;
            let leads_back = found.hops.first().is_some_and(|hop| self.leads(hop));
            if leads_back && found.kind == RouteType::Unicast {
                bail!("{} is still reached by the other device", route.destination);
            }
        }
        Ok(())
    }
}
