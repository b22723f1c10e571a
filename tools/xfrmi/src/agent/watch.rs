// SPDX-License-Identifier: GPL-2.0

//! Hears of changes of devices and routes.

use anyhow::{Context, Result};
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{RouteNetlinkMessage, route::RouteProtocol};
use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket, protocols};

/// `RTNLGRP_LINK`, `RTNLGRP_IPV4_ROUTE` and `RTNLGRP_IPV6_ROUTE`.
const GROUPS: [u32; 3] = [1, 7, 11];

pub struct Watch {
    socket: TokioSocket,
}

impl Watch {
    pub fn new() -> Result<Self> {
        let mut socket = TokioSocket::new(protocols::NETLINK_ROUTE).context("no netlink socket")?;
        socket
            .socket_mut()
            .bind(&SocketAddr::new(0, 0))
            .context("no netlink address")?;
        for group in GROUPS {
            socket.socket_mut().add_membership(group)?;
        }
        Ok(Self { socket })
    }

    /// Returns when something has changed that may concern routes of the protocol, other than by the
    /// socket of the given port.
    pub async fn changed(&mut self, protocol: u8, except: u32) {
        loop {
            match self.socket.recv_from_full().await {
                Ok((bytes, _)) if !concerns(&bytes, protocol, except) => {}
                // What has been lost may have been about anything.
                _ => return,
            }
        }
    }
}

fn concerns(bytes: &[u8], protocol: u8, except: u32) -> bool {
    // Multicasts of the kernel's contain one message each.
    let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes) else {
        return false;
    };
    match message.payload {
        NetlinkPayload::InnerMessage(
            RouteNetlinkMessage::NewRoute(route) | RouteNetlinkMessage::DelRoute(route),
        ) => {
            route.header.protocol == RouteProtocol::from(protocol)
                && message.header.port_number != except
        }
        NetlinkPayload::InnerMessage(
            RouteNetlinkMessage::NewLink(_) | RouteNetlinkMessage::DelLink(_),
        ) => true,
        _ => false,
    }
}
