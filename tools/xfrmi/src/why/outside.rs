// SPDX-License-Identifier: GPL-2.0

//! What becomes of the encrypted packet, and of the answer.

use netlink_packet_route::route::RouteType;

use super::search::{Search, no_route};
use crate::{
    connections::{between, describe},
    links::{Kind, Link},
    routes::{self, Query, Route},
    xfrm::{Direction, State},
};

impl Search<'_> {
    /// Where the encrypted packet goes, and how large one may be.
    pub(super) fn outer(
        &mut self,
        route: &Route,
        device: &Link,
        states: &[&State],
    ) -> Result<(), String> {
        // What is outermost is applied last.
        let Some(state) = states.last() else {
            return Ok(());
        };
        let link = if device.kind == Kind::External {
            route.hops[0].link
        } else {
            device.lower
        };
        let query = Query {
            output: link.filter(|link| *link != 0),
            ..Query::default()
        };
        let outer = routes::lookup(&mut self.netlink, state.destination, &query, false)
            .map_err(|error| format!("to the peer, {}: {}", state.destination, no_route(&error)))?;
        let hop = outer.hops.first();
        let Some(under) = hop.and_then(|hop| self.snapshot.links.get(hop.device?)) else {
            return Err(format!(
                "the route to the peer, {}, leads nowhere",
                state.destination
            ));
        };
        if under.index == device.index {
            return Err(format!(
                "the route to the peer, {}, leads into the tunnel",
                state.destination
            ));
        }
        let path = outer.mtu.unwrap_or(under.mtu).min(under.mtu);
        let gateway = hop.and_then(|hop| hop.gateway);
        let via = gateway.map_or_else(String::new, |gateway| format!(" via {gateway}"));
        self.say(
            "outer",
            format!("{}{via} dev {}, MTU {path}", state.destination, under.name),
        );
        let mut inside = Some(path);
        for state in states.iter().rev() {
            inside = inside.and_then(|mtu| state.overhead?.inside(mtu));
        }
        let own = route.mtu.unwrap_or(device.mtu).min(device.mtu);
        self.answer.mtu = inside.map(|inside| inside.min(own));
        self.say(
            "MTU",
            match inside {
                Some(inside) if inside <= own => format!("{inside}, that of the tunnel"),
                Some(_) => format!(
                    "{own}, that of {}",
                    if own < device.mtu {
                        "the route"
                    } else {
                        &device.name
                    }
                ),
                None => format!("{own} at most; how much the tunnel adds is not known here"),
            },
        );
        Ok(())
    }

    /// What an answer needs.
    pub(super) fn way_back(&mut self, if_id: u32, device: &Link, states: &[&State]) {
        let Some(from) = self.from else { return };
        let Some(policy) = self.find_policy(if_id, Direction::In, Some(self.to), from) else {
            self.warn(format!(
                "an answer is dropped: no policy lets it in, from {} to {from}",
                self.to
            ));
            return;
        };
        if self.forwarded
            && self
                .find_policy(if_id, Direction::Forward, Some(self.to), from)
                .is_none()
        {
            self.warn("an answer is dropped: no policy of direction fwd is for it".into());
            return;
        }
        if let Some(out) = states.last() {
            let inbound = self.snapshot.states.iter().find(|state| {
                state.if_id == if_id && policy.templates.iter().any(|template| template.fits(state))
            });
            match inbound {
                Some(state) => self.say(
                    "back",
                    format!(
                        "{}, SPI {:#010x}, {} packets",
                        between(state),
                        state.spi,
                        state.packets
                    ),
                ),
                None => self.warn(format!("no state decrypts what {} sends", out.destination)),
            }
        }
        // It comes in by the VRF if the device is in one, or has vrf-by-route.
        let by = self
            .snapshot
            .links
            .vrf_of(device)
            .or(self.vrf)
            .unwrap_or(device);
        let query = Query {
            from: Some(self.to),
            input: Some(by.index),
            output: None,
        };
        match routes::lookup(&mut self.netlink, from, &query, true) {
            Ok(route) if route.kind == RouteType::Local => {
                self.say("back", format!("{from} is an address of this machine"));
            }
            Ok(route) => match route.hops.first() {
                Some(hop) => self.say(
                    "back",
                    describe(&route, hop, &self.snapshot.links).replacen("route ", "", 1),
                ),
                None => self.warn(format!("an answer has no way to {from}")),
            },
            Err(error) => self.warn(format!(
                "an answer that comes in by {}: {}",
                by.name,
                no_route(&error)
            )),
        }
    }
}
