// SPDX-License-Identifier: GPL-2.0

//! The way of a packet to the states that encrypt it.

use std::{io, net::IpAddr};

use anyhow::Result;
use netlink_packet_route::route::RouteType;

use super::{Answer, Step};
use crate::{
    connections::{Snapshot, between, describe, policy_name},
    links::{Kind, Link},
    netlink::Netlink,
    output::seconds,
    routes::{self, Query, Route},
    xfrm::{Direction, Policy, State},
};

const EHOSTUNREACH: i32 = 113;
const EACCES: i32 = 13;
const EINVAL: i32 = 22;
const ENETUNREACH: i32 = 101;

/// On the way from one step to the next.
pub struct Search<'a> {
    pub(super) netlink: Netlink,
    pub(super) snapshot: &'a Snapshot,
    pub(super) vrf: Option<&'a Link>,
    pub(super) to: IpAddr,
    pub from: Option<IpAddr>,
    pub(super) forwarded: bool,
    pub answer: Answer,
}

impl<'a> Search<'a> {
    pub fn new(
        snapshot: &'a Snapshot,
        vrf: Option<&'a Link>,
        to: IpAddr,
        from: Option<IpAddr>,
    ) -> Result<Self> {
        Ok(Self {
            netlink: Netlink::route()?,
            snapshot,
            vrf,
            to,
            from,
            forwarded: from.is_some_and(|from| !snapshot.links.is_local(from)),
            answer: Answer::default(),
        })
    }

    /// From one step to the next; an error is where the packet ends.
    pub fn follow(&mut self) -> Result<(), String> {
        let (route, device) = self.route()?;
        let if_id = self.connection(&route, device)?;
        let names = self
            .snapshot
            .names
            .get(&if_id)
            .map(|names| names.join(", "));
        let ike = names.map_or_else(String::new, |names| format!(" (ike {names})"));
        self.say(
            "connection",
            format!("if_id {if_id}{ike} by {}", device.name),
        );
        self.answer.if_id = Some(if_id);
        self.answer.device = Some(device.name.clone());
        if !device.up {
            return Err(format!("{} is down", device.name));
        }
        let policy = self.policy(if_id)?;
        let states = self.states(policy, if_id)?;
        self.outer(&route, device, &states)?;
        self.way_back(if_id, device, &states);
        Ok(())
    }

    pub(super) fn say(&mut self, what: &'static str, is: String) {
        self.answer.steps.push(Step { what, is });
    }

    /// The route, and the device that it leads to.
    fn route(&mut self) -> Result<(Route, &'a Link), String> {
        let vrf = self.vrf.map(|vrf| vrf.index);
        let query = Query {
            // An address of somebody else says nothing before it is known where it comes in.
            from: self.from.filter(|_| !self.forwarded || vrf.is_some()),
            input: vrf.filter(|_| self.forwarded),
            output: vrf.filter(|_| !self.forwarded),
        };
        let within = self
            .vrf
            .map_or_else(String::new, |vrf| format!(" in {}", vrf.name));
        let route = match routes::lookup(&mut self.netlink, self.to, &query, true) {
            Ok(route) => route,
            Err(error) => return Err(format!("{}{within}", no_route(&error))),
        };
        let chosen = routes::lookup(&mut self.netlink, self.to, &query, false)
            .map_err(|error| format!("{}{within}", no_route(&error)))?;
        // Of a multipath route, this is the hop for this packet, as far as addresses decide.
        let Some(hop) = chosen.hops.first().cloned() else {
            return Err(format!("the route to {} leads nowhere", route.destination));
        };
        self.say(
            "route",
            describe(&route, &hop, &self.snapshot.links).replacen("route ", "", 1),
        );
        if route.kind == RouteType::Local {
            return Err(format!("{} is an address of this machine", self.to));
        }
        self.from = self.from.or(chosen.source);
        let Some(device) = hop.device.and_then(|index| self.snapshot.links.get(index)) else {
            return Err("the device of the route is gone".into());
        };
        Ok((
            Route {
                hops: vec![hop],
                ..route
            },
            device,
        ))
    }

    /// The connection that the device takes it for.
    fn connection(&mut self, route: &Route, device: &Link) -> Result<u32, String> {
        let hop = &route.hops[0];
        match device.kind {
            Kind::Static { if_id } => return Ok(if_id),
            Kind::External => {}
            _ => {
                return Err(format!(
                    "it leaves by {}, which is no XFRM interface: not through a tunnel of one",
                    device.name
                ));
            }
        }
        if let Some(if_id) = hop.if_id.filter(|if_id| *if_id != 0) {
            return Ok(if_id);
        }
        let Some(gateway) = hop.gateway else {
            return Err(format!(
                "the route names no connection (encap xfrm if_id), and {} is external: unless a \
                 program names one, it is dropped as no_connection",
                device.name
            ));
        };
        if !is_ours() {
            return Err(format!(
                "the route by {gateway} names no connection, and the C driver does not ask which one \
                 leads there"
            ));
        }
        let query = Query {
            output: self.vrf.map(|vrf| vrf.index),
            ..Query::default()
        };
        let router = routes::lookup(&mut self.netlink, gateway, &query, false).ok();
        let hop = router.and_then(|router| router.hops.into_iter().next());
        let if_id = hop
            .filter(|hop| hop.device == Some(device.index))
            .and_then(|hop| hop.if_id);
        let Some(if_id) = if_id else {
            return Err(format!(
                "the route is by {gateway}, to which no connection of {} leads",
                device.name
            ));
        };
        self.say("router", format!("{gateway} is behind if_id {if_id}"));
        Ok(if_id)
    }

    /// The first policy that is for it.
    fn policy(&mut self, if_id: u32) -> Result<&'a Policy, String> {
        let Some(policy) = self.find_policy(if_id, Direction::Out, self.from, self.to) else {
            return Err(format!(
                "no policy of if_id {if_id} is for packets from {} to {}",
                self.from
                    .map_or_else(|| "anywhere".into(), |from| from.to_string()),
                self.to
            ));
        };
        let narrower = if policy.narrower || policy.protocol != 0 || policy.mark.is_some() {
            ", for some protocols, ports or marks only"
        } else {
            ""
        };
        self.say(
            "policy",
            format!(
                "{}, priority {}{narrower}",
                policy_name(policy),
                policy.priority
            ),
        );
        if !policy.allow {
            return Err("the policy blocks it".into());
        }
        if policy.templates.is_empty() {
            return Err(
                "the policy lets it pass without IPsec, which no XFRM interface sends".into(),
            );
        }
        Ok(policy)
    }

    pub(super) fn find_policy(
        &self,
        if_id: u32,
        direction: Direction,
        from: Option<IpAddr>,
        to: IpAddr,
    ) -> Option<&'a Policy> {
        let mut found: Option<&Policy> = None;
        for policy in &self.snapshot.policies {
            // Of equal ones, that which was there first.
            if policy.if_id == if_id
                && policy.direction == direction
                && policy.covers(from, to)
                && found.is_none_or(|found| policy.priority < found.priority)
            {
                found = Some(policy);
            }
        }
        found
    }

    /// The states that the policy asks for.
    fn states(&mut self, policy: &'a Policy, if_id: u32) -> Result<Vec<&'a State>, String> {
        let mut found = Vec::new();
        for template in &policy.templates {
            let fitting = self
                .snapshot
                .states
                .iter()
                .filter(|state| state.if_id == if_id && template.fits(state));
            // The kernel prefers the newest.
            match fitting.max_by_key(|state| state.added) {
                Some(state) => {
                    self.say(
                        "state",
                        format!(
                            "{}, SPI {:#010x}, age {}, {} packets",
                            between(state),
                            state.spi,
                            seconds(state.age()),
                            state.packets
                        ),
                    );
                    found.push(state);
                }
                None if template.optional => {}
                None => {
                    return Err(format!(
                        "no state from {} to {} yet: IKE is asked for one, and the packet waits or \
                         is dropped as no_state",
                        template.source, template.destination
                    ));
                }
            }
        }
        Ok(found)
    }

    pub(super) fn warn(&mut self, what: String) {
        self.answer.warnings.push(what);
    }
}

/// Whether the driver is ours.
fn is_ours() -> bool {
    std::path::Path::new("/sys/module/xfrm_interface_rust").exists()
}

/// An error of a look-up, in words.
pub(super) fn no_route(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(ENETUNREACH) => "there is no route".into(),
        Some(EHOSTUNREACH) => {
            "the route is an unreachable one, forwarding is off, or reverse path filtering refuses \
             it"
            .into()
        }
        Some(EACCES) => "the route prohibits it".into(),
        Some(EINVAL) => "the route is a blackhole, or the addresses can't be".into(),
        _ => error.to_string(),
    }
}
