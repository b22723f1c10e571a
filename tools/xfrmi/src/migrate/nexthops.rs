// SPDX-License-Identifier: GPL-2.0

//! Nexthop objects, of which the packet crates do not know. Routes that share one lead elsewhere when
//! it is replaced, all in one step.

use std::convert::Infallible;

use anyhow::Result;
use netlink_packet_core::{
    DefaultNla, Emitable, NLA_F_NESTED, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE,
    NetlinkDeserializable, NetlinkHeader, NetlinkSerializable, Nla, NlasIterator,
};
use netlink_packet_route::AddressFamily;

use crate::netlink::Netlink;

const RTM_NEWNEXTHOP: u16 = 104;
const RTM_DELNEXTHOP: u16 = 105;
const RTM_GETNEXTHOP: u16 = 106;
const NHA_ID: u16 = 1;
const NHA_OIF: u16 = 5;
const NHA_ENCAP_TYPE: u16 = 7;
const NHA_ENCAP: u16 = 8;
const LWTUNNEL_ENCAP_XFRM: u16 = 10;
const LWT_XFRM_IF_ID: u16 = 1;
const LWT_XFRM_LINK: u16 = 2;
/// `struct nhmsg`: family, scope, protocol, a reserved byte, and flags.
const HEADER: usize = 8;

/// Where an object leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub device: u32,
    /// On an external device: the connection, and the device that it is bound to.
    pub connection: Option<(u32, Option<u32>)>,
}

/// A request, or what the kernel answers.
#[derive(Debug, Clone)]
pub struct Message {
    kind: u16,
    family: u8,
    attributes: Vec<DefaultNla>,
}

/// A message, and what of netlink's flags it needs.
pub type Request = (Message, u16);

/// Makes an object.
pub fn create(id: u32, family: AddressFamily, target: &Target) -> Request {
    (
        Message::new(id, family, target),
        NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
    )
}

/// Has it lead elsewhere.
pub fn replace(id: u32, family: AddressFamily, target: &Target) -> Request {
    (Message::new(id, family, target), NLM_F_ACK | NLM_F_REPLACE)
}

/// Removes it. Routes that have it go, too.
pub fn delete(id: u32) -> Request {
    let attributes = vec![number(NHA_ID, id)];
    (
        Message {
            kind: RTM_DELNEXTHOP,
            family: 0,
            attributes,
        },
        NLM_F_ACK,
    )
}

/// The numbers that are taken.
pub fn taken(netlink: &mut Netlink) -> Result<Vec<u32>> {
    let request = Message {
        kind: RTM_GETNEXTHOP,
        family: 0,
        attributes: Vec::new(),
    };
    let found = netlink.dump(request)?;
    Ok(found
        .iter()
        .filter_map(|message| message.number(NHA_ID))
        .collect())
}

impl Message {
    fn new(id: u32, family: AddressFamily, target: &Target) -> Self {
        let mut attributes = vec![number(NHA_ID, id), number(NHA_OIF, target.device)];
        if let Some((if_id, link)) = target.connection {
            let mut encap = vec![number(LWT_XFRM_IF_ID, if_id)];
            encap.extend(link.map(|link| number(LWT_XFRM_LINK, link)));
            let mut value = vec![0; encap.as_slice().buffer_len()];
            encap.as_slice().emit(&mut value);
            let kind = LWTUNNEL_ENCAP_XFRM.to_ne_bytes().to_vec();
            attributes.push(DefaultNla::new(NHA_ENCAP_TYPE, kind));
            attributes.push(DefaultNla::new(NHA_ENCAP | NLA_F_NESTED, value));
        }
        Self {
            kind: RTM_NEWNEXTHOP,
            family: family.into(),
            attributes,
        }
    }

    fn number(&self, kind: u16) -> Option<u32> {
        let attribute = self
            .attributes
            .iter()
            .find(|attribute| attribute.kind() == kind)?;
        let mut value = vec![0; attribute.value_len()];
        attribute.emit_value(&mut value);
        Some(u32::from_ne_bytes(value.try_into().ok()?))
    }
}

fn number(kind: u16, value: u32) -> DefaultNla {
    DefaultNla::new(kind, value.to_ne_bytes().to_vec())
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        HEADER + self.attributes.as_slice().buffer_len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer[..HEADER].fill(0);
        buffer[0] = self.family;
        self.attributes.as_slice().emit(&mut buffer[HEADER..]);
    }
}

impl NetlinkDeserializable for Message {
    type Error = Infallible;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, Infallible> {
        let attributes = NlasIterator::new(payload.get(HEADER..).unwrap_or_default())
            .map_while(|attribute| attribute.ok())
            .map(|attribute| DefaultNla::new(attribute.kind(), attribute.value().to_vec()))
            .collect();
        let family = payload.first().copied().unwrap_or_default();
        Ok(Self {
            kind: header.message_type,
            family,
            attributes,
        })
    }
}
