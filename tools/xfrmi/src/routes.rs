// SPDX-License-Identifier: GPL-2.0

//! The routes of a namespace, and what route a packet would take.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result};
use ipnet::IpNet;
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    route::{
        RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteLwEnCapType,
        RouteLwTunnelEncap, RouteMessage, RouteMetric, RouteNextHopFlags, RouteProtocol,
        RouteScope, RouteType, RouteVia, RouteXfrmTunnel,
    },
};

use crate::{links, netlink::Netlink};

#[derive(Debug, Clone)]
pub struct Route {
    pub destination: IpNet,
    pub table: u32,
    pub metric: u32,
    pub kind: RouteType,
    pub protocol: RouteProtocol,
    /// The nexthop object that says where it leads.
    pub nexthop: Option<u32>,
    pub mtu: Option<u32>,
    pub source: Option<IpAddr>,
    /// More than one of a multipath route; none where nothing is reached.
    pub hops: Vec<Hop>,
}

#[derive(Debug, Clone, Default)]
pub struct Hop {
    pub device: Option<u32>,
    pub gateway: Option<IpAddr>,
    /// The connection, if the route names one.
    pub if_id: Option<u32>,
    /// The device to which the connection is bound.
    pub link: Option<u32>,
    pub dead: bool,
}

/// All routes of both families, in all tables.
pub fn load(netlink: &mut Netlink) -> Result<Vec<Route>> {
    load_with(netlink, RouteProtocol::Unspec)
}

/// Those of a routing protocol. The kernel looks for them.
pub fn load_of(netlink: &mut Netlink, protocol: u8) -> Result<Vec<Route>> {
    let mut found = load_with(netlink, protocol.into())?;
    found.retain(|route| route.protocol == protocol.into());
    Ok(found)
}

fn load_with(netlink: &mut Netlink, protocol: RouteProtocol) -> Result<Vec<Route>> {
    let mut found = Vec::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut request = RouteMessage::default();
        request.header.address_family = family;
        request.header.protocol = protocol;
        for message in netlink.dump(RouteNetlinkMessage::GetRoute(request))? {
            if let RouteNetlinkMessage::NewRoute(message) = message {
                found.extend(Route::new(&message));
            }
        }
    }
    Ok(found)
}

/// A route to a connection of an external device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encapsulated {
    pub table: u32,
    pub destination: IpNet,
    pub device: u32,
    pub if_id: u32,
    pub protocol: u8,
}

/// Adds a route, unless there is one, whoever's: `EEXIST`.
pub fn add(netlink: &mut Netlink, route: &Encapsulated) -> Result<()> {
    let request = RouteNetlinkMessage::NewRoute(route.message());
    netlink.request(request, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)?;
    Ok(())
}

/// Puts a route in the place of that with the same destination, so that there is one at any time.
/// Where there is none any more: `ENOENT`.
pub fn replace(netlink: &mut Netlink, route: &Encapsulated) -> Result<()> {
    netlink.request(
        RouteNetlinkMessage::NewRoute(route.message()),
        NLM_F_ACK | NLM_F_REPLACE,
    )?;
    Ok(())
}

/// Removes a route that has been read. That it is gone already is no error; a route that leads to
/// another connection by now stays, as far as the kernel compares that.
pub fn remove(netlink: &mut Netlink, route: &Route) -> Result<()> {
    let mut message = message(route.table, route.destination, route.protocol);
    message.header.scope = RouteScope::NoWhere;
    message.header.kind = route.kind;
    message
        .attributes
        .push(RouteAttribute::Priority(route.metric));
    message
        .attributes
        .extend(route.nexthop.map(RouteAttribute::NhId));
    if let ([hop], None) = (route.hops.as_slice(), route.nexthop) {
        message
            .attributes
            .extend(hop.device.map(RouteAttribute::Oif));
        if let Some(if_id) = hop.if_id {
            encapsulate(&mut message, if_id);
        }
    }
    let gone = |error: &anyhow::Error| {
        error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::raw_os_error)
            == Some(nix::libc::ESRCH)
    };
    match netlink.request(RouteNetlinkMessage::DelRoute(message), NLM_F_ACK) {
        Err(error) if !gone(&error) => Err(error),
        _ => Ok(()),
    }
}

/// The metric of a route for which none is given.
pub fn usual_metric(destination: IpNet) -> u32 {
    if matches!(destination, IpNet::V4(_)) {
        0
    } else {
        1024
    }
}

impl Encapsulated {
    fn message(&self) -> RouteMessage {
        let mut message = message(self.table, self.destination, self.protocol.into());
        message.header.kind = RouteType::Unicast;
        if matches!(self.destination, IpNet::V4(_)) {
            message.header.scope = RouteScope::Link;
        }
        message.attributes.push(RouteAttribute::Oif(self.device));
        encapsulate(&mut message, self.if_id);
        message
    }
}

fn message(table: u32, destination: IpNet, protocol: RouteProtocol) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = links::family(destination.addr());
    message.header.destination_prefix_length = destination.prefix_len();
    message.header.protocol = protocol;
    message
        .attributes
        .push(RouteAttribute::Destination(destination.addr().into()));
    message.attributes.push(RouteAttribute::Table(table));
    message
}

fn encapsulate(message: &mut RouteMessage, if_id: u32) {
    let encap = RouteLwTunnelEncap::Xfrm(RouteXfrmTunnel::IfId(if_id));
    message
        .attributes
        .push(RouteAttribute::EncapType(RouteLwEnCapType::Xfrm));
    message.attributes.push(RouteAttribute::Encap(vec![encap]));
}

/// Where a packet would go.
#[derive(Debug, Clone, Default)]
pub struct Query {
    pub from: Option<IpAddr>,
    /// The device that it comes in by, if it is forwarded.
    pub input: Option<u32>,
    /// The device that the sender's socket is bound to, as to a VRF.
    pub output: Option<u32>,
}

/// The route that a packet to an address would take: as it was written, with all of its hops, or with
/// the one that the packet takes. Errors are those of the kernel: `ENETUNREACH` where there is none.
pub fn lookup(
    netlink: &mut Netlink,
    to: IpAddr,
    query: &Query,
    as_written: bool,
) -> std::io::Result<Route> {
    let length = if to.is_ipv4() { 32 } else { 128 };
    // IPv6 names the table without being asked.
    let mut flags = if to.is_ipv4() {
        RouteFlags::LookupTable
    } else {
        RouteFlags::empty()
    };
    flags.set(RouteFlags::FibMatch, as_written);
    let mut request = RouteMessage::default();
    request.header = RouteHeader {
        address_family: links::family(to),
        destination_prefix_length: length,
        flags,
        ..RouteHeader::default()
    };
    let attributes = &mut request.attributes;
    attributes.push(RouteAttribute::Destination(to.into()));
    if let Some(from) = query.from {
        request.header.source_prefix_length = length;
        attributes.push(RouteAttribute::Source(from.into()));
    }
    attributes.extend(query.input.map(RouteAttribute::Iif));
    attributes.extend(query.output.map(RouteAttribute::Oif));
    let answer = netlink
        .request(RouteNetlinkMessage::GetRoute(request), 0)
        .map_err(|error| error.downcast().unwrap_or_else(std::io::Error::other))?;
    match answer {
        Some(RouteNetlinkMessage::NewRoute(message)) => Route::new(&message)
            .context("the kernel's answer has no destination")
            .map_err(std::io::Error::other),
        _ => Err(std::io::Error::other(
            "the kernel does not answer with a route",
        )),
    }
}

impl Route {
    /// From the kernel's message; nothing for families other than IP.
    pub fn new(message: &RouteMessage) -> Option<Self> {
        let any: IpAddr = match message.header.address_family {
            AddressFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
            AddressFamily::Inet6 => Ipv6Addr::UNSPECIFIED.into(),
            _ => return None,
        };
        let length = message.header.destination_prefix_length;
        let mut route = Self {
            destination: IpNet::new(any, length).ok()?,
            table: message.header.table.into(),
            metric: 0,
            kind: message.header.kind,
            protocol: message.header.protocol,
            nexthop: None,
            mtu: None,
            source: None,
            hops: Vec::new(),
        };
        let only = Hop::new(
            &message.attributes,
            message.header.flags.contains(RouteFlags::Dead),
        );
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(to) => {
                    route.destination = IpNet::new(ip(to)?, length).ok()?;
                }
                RouteAttribute::Table(table) => route.table = *table,
                RouteAttribute::Priority(metric) => route.metric = *metric,
                RouteAttribute::NhId(id) => route.nexthop = Some(*id),
                RouteAttribute::PrefSource(source) => route.source = ip(source),
                RouteAttribute::Metrics(metrics) => {
                    route.mtu = metrics.iter().find_map(|metric| match metric {
                        RouteMetric::Mtu(mtu) => Some(*mtu),
                        _ => None,
                    });
                }
                RouteAttribute::MultiPath(hops) => {
                    route.hops = hops
                        .iter()
                        .map(|hop| Hop {
                            device: Some(hop.interface_index),
                            ..Hop::new(&hop.attributes, hop.flags.contains(RouteNextHopFlags::Dead))
                        })
                        .collect();
                }
                _ => {}
            }
        }
        if route.hops.is_empty() && only.device.is_some() {
            route.hops.push(only);
        }
        Some(route)
    }
}

impl Hop {
    fn new(attributes: &[RouteAttribute], dead: bool) -> Self {
        let mut hop = Self {
            dead,
            ..Self::default()
        };
        for attribute in attributes {
            match attribute {
                RouteAttribute::Oif(index) => hop.device = Some(*index),
                RouteAttribute::Gateway(gateway) => hop.gateway = ip(gateway),
                RouteAttribute::Via(RouteVia::Inet(gateway)) => {
                    hop.gateway = Some((*gateway).into())
                }
                RouteAttribute::Via(RouteVia::Inet6(gateway)) => {
                    hop.gateway = Some((*gateway).into());
                }
                RouteAttribute::Encap(encaps) => {
                    for encap in encaps {
                        match encap {
                            RouteLwTunnelEncap::Xfrm(RouteXfrmTunnel::IfId(if_id)) => {
                                hop.if_id = Some(*if_id);
                            }
                            RouteLwTunnelEncap::Xfrm(RouteXfrmTunnel::Link(link)) => {
                                hop.link = Some(*link);
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        hop
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}
