// SPDX-License-Identifier: GPL-2.0

//! The static device of a connection, which comes or goes when that is migrated.

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{InfoData, InfoKind, InfoXfrm, LinkAttribute, LinkFlags, LinkInfo, LinkMessage},
};

use super::steps::Change;
use crate::{connections::Connection, links::Link};

/// What makes the device of a connection whose routes lead to an external one, and how that is
/// undone. It is in the connection's VRF before it is up, since packets come in by it from then on.
pub fn requests(name: &str, connection: &Connection<'_>) -> Vec<(Change, Change)> {
    let mut data = vec![InfoXfrm::IfId(connection.if_id)];
    let link = connection.routes.iter().find_map(|(_, hop)| hop.link);
    data.extend(link.map(InfoXfrm::Link));
    let mut create = named(name);
    create.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Xfrm),
        LinkInfo::Data(InfoData::Xfrm(data)),
    ]));
    create.attributes.extend(
        connection
            .vrfs
            .iter()
            .next()
            .map(|vrf| LinkAttribute::Controller(*vrf)),
    );
    let mut up = named(name);
    (up.header.flags, up.header.change_mask) = (LinkFlags::Up, LinkFlags::Up);
    let create = RouteNetlinkMessage::NewLink(create);
    let delete = delete(name);
    vec![
        (
            Change::Route(create, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL),
            delete,
        ),
        (
            Change::Route(RouteNetlinkMessage::SetLink(up.clone()), NLM_F_ACK),
            {
                up.header.flags = LinkFlags::empty();
                Change::Route(RouteNetlinkMessage::SetLink(up), NLM_F_ACK)
            },
        ),
    ]
}

/// What deletes it; nothing undoes that.
pub fn delete(name: &str) -> Change {
    Change::Route(RouteNetlinkMessage::DelLink(named(name)), NLM_F_ACK)
}

/// What gives it another if_id.
pub fn renumber(device: &Link, if_id: u32) -> Change {
    let mut data = vec![InfoXfrm::IfId(if_id)];
    data.extend(device.lower.map(InfoXfrm::Link));
    let mut message = named(&device.name);
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Xfrm),
        LinkInfo::Data(InfoData::Xfrm(data)),
    ]));
    Change::Route(RouteNetlinkMessage::NewLink(message), NLM_F_ACK)
}

fn named(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.into()));
    message
}
