// SPDX-License-Identifier: GPL-2.0

//! Dumped routes, and requests that are made of them.

use netlink_packet_route::{
    AddressFamily,
    route::{
        RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope,
        RouteType,
    },
};

/// Whether somebody has asked for a route, rather than the kernel having made it for every device.
pub fn is_asked_for(message: &RouteMessage) -> bool {
    let link_local = message.attributes.iter().any(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet6(address)) => {
            address.is_unicast_link_local() || address.is_multicast()
        }
        _ => false,
    });
    message.header.kind == RouteType::Unicast && !link_local
}

/// A dumped route, as a request.
pub fn as_request(message: &RouteMessage) -> RouteMessage {
    let mut request = message.clone();
    request.header.flags = Default::default();
    request.attributes.retain(|attribute| {
        !matches!(
            attribute,
            RouteAttribute::CacheInfo(_)
                | RouteAttribute::Expires(_)
                | RouteAttribute::Preference(_)
        )
    });
    request
}

/// The same route, by a nexthop object.
pub fn onto(id: u32, message: &RouteMessage) -> RouteMessage {
    let mut request = as_request(message);
    let header: &mut RouteHeader = &mut request.header;
    if header.protocol == RouteProtocol::Kernel {
        header.protocol = RouteProtocol::Static;
    }
    if header.address_family == AddressFamily::Inet {
        header.scope = RouteScope::Link;
    }
    request.attributes.retain(|attribute| {
        !matches!(
            attribute,
            RouteAttribute::Oif(_)
                | RouteAttribute::Gateway(_)
                | RouteAttribute::Via(_)
                | RouteAttribute::EncapType(_)
                | RouteAttribute::Encap(_)
                | RouteAttribute::NhId(_)
        )
    });
    request.attributes.push(RouteAttribute::NhId(id));
    request
}
