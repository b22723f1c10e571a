// SPDX-License-Identifier: GPL-2.0

//! The devices of a namespace, and their addresses.

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
};

use anyhow::Result;
use netlink_packet_core::Nla;
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressMessage},
    link::{InfoData, InfoVrf, InfoXfrm, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, Stats64},
};

use crate::netlink::Netlink;

/// `IFLA_XFRM_COLLECT_METADATA`: the device is an external one.
const IFLA_XFRM_COLLECT_METADATA: u16 = 3;

/// What a device is, as far as it concerns connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// An XFRM interface with one connection.
    Static {
        if_id: u32,
    },
    /// An XFRM interface whose routes, or packets, name the connection.
    External,
    /// A VRF, and its table.
    Vrf {
        table: u32,
    },
    Other,
}

#[derive(Debug, Clone)]
pub struct Link {
    pub index: u32,
    pub name: String,
    pub kind: Kind,
    /// The index of the VRF or bridge of which it is a port.
    pub controller: Option<u32>,
    /// The index of the device that it is bound to, if that is in the same namespace.
    pub lower: Option<u32>,
    pub mtu: u32,
    pub up: bool,
    pub stats: Stats64,
}

/// All devices of a namespace, by their indices.
#[derive(Debug, Default)]
pub struct Links {
    links: BTreeMap<u32, Link>,
    addresses: HashSet<(u32, IpAddr)>,
}

impl Links {
    pub fn load(netlink: &mut Netlink) -> Result<Self> {
        let mut found = Self::default();
        for message in netlink.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))? {
            if let RouteNetlinkMessage::NewLink(message) = message {
                let link = Link::new(&message);
                found.links.insert(link.index, link);
            }
        }
        for message in netlink.dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()))? {
            if let RouteNetlinkMessage::NewAddress(message) = message {
                // That of a peer is in the other attribute.
                let local = message
                    .attributes
                    .iter()
                    .find_map(|attribute| match attribute {
                        AddressAttribute::Local(address) => Some(*address),
                        _ => None,
                    });
                let address =
                    local.or(message
                        .attributes
                        .iter()
                        .find_map(|attribute| match attribute {
                            AddressAttribute::Address(address) => Some(*address),
                            _ => None,
                        }));
                found
                    .addresses
                    .extend(address.map(|address| (message.header.index, address)));
            }
        }
        Ok(found)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    pub fn get(&self, index: u32) -> Option<&Link> {
        self.links.get(&index)
    }

    pub fn by_name(&self, name: &str) -> Option<&Link> {
        self.iter().find(|link| link.name == name)
    }

    /// The device's name, or its index if there is none.
    pub fn name(&self, index: u32) -> String {
        self.get(index)
            .map_or_else(|| format!("#{index}"), |link| link.name.clone())
    }

    /// The VRF that has a table.
    pub fn vrf_of_table(&self, table: u32) -> Option<&Link> {
        self.iter().find(|link| link.kind == Kind::Vrf { table })
    }

    /// The VRF that a device is in.
    pub fn vrf_of(&self, link: &Link) -> Option<&Link> {
        let controller = self.get(link.controller?)?;
        matches!(controller.kind, Kind::Vrf { .. }).then_some(controller)
    }

    /// Whether a device has the address.
    pub fn has_address(&self, index: u32, address: IpAddr) -> bool {
        self.addresses.contains(&(index, address))
    }

    /// Whether this machine has the address, on any device.
    pub fn is_local(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|(_, one)| *one == address)
    }
}

impl Link {
    fn new(message: &LinkMessage) -> Self {
        let mut link = Self {
            index: message.header.index,
            name: String::new(),
            kind: Kind::Other,
            controller: None,
            lower: None,
            mtu: 0,
            up: message.header.flags.contains(LinkFlags::Up),
            stats: Stats64::default(),
        };
        let mut elsewhere = false;
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::Controller(index) => link.controller = Some(*index),
                LinkAttribute::Link(index) => link.lower = Some(*index),
                LinkAttribute::LinkNetNsId(_) => elsewhere = true,
                LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
                LinkAttribute::Stats64(stats) => link.stats = *stats,
                LinkAttribute::LinkInfo(infos) => link.kind = Kind::new(infos),
                _ => {}
            }
        }
        if elsewhere {
            link.lower = None;
        }
        link
    }
}

impl Kind {
    fn new(infos: &[LinkInfo]) -> Self {
        for info in infos {
            match info {
                LinkInfo::Data(InfoData::Xfrm(attributes)) => return Self::of_xfrm(attributes),
                LinkInfo::Data(InfoData::Vrf(attributes)) => {
                    for attribute in attributes {
                        if let InfoVrf::TableId(table) = attribute {
                            return Self::Vrf { table: *table };
                        }
                    }
                }
                _ => {}
            }
        }
        Self::Other
    }

    fn of_xfrm(attributes: &[InfoXfrm]) -> Self {
        let mut found = 0;
        for attribute in attributes {
            match attribute {
                InfoXfrm::IfId(if_id) => found = *if_id,
                InfoXfrm::Other(other) if other.kind() == IFLA_XFRM_COLLECT_METADATA => {
                    return Self::External;
                }
                _ => {}
            }
        }
        Self::Static { if_id: found }
    }
}

/// The family of an address.
pub fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    }
}
