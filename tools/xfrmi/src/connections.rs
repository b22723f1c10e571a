// SPDX-License-Identifier: GPL-2.0

//! Connections: what devices, routes, policies, states and charon have with one if_id.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::{
    ike,
    links::{Kind, Link, Links},
    netlink::Netlink,
    routes::{self, Hop, Route},
    xfrm::{self, Direction, Policy, State},
};

/// What a namespace has at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub links: Links,
    pub routes: Vec<Route>,
    pub policies: Vec<Policy>,
    pub states: Vec<State>,
    /// What charon calls the connections of each if_id.
    pub names: BTreeMap<u32, Vec<String>>,
}

impl Snapshot {
    /// Of the namespace we are in.
    pub fn load(vici: &std::path::Path) -> Result<Self> {
        let (mut route, mut xfrm) = (Netlink::route()?, Netlink::xfrm()?);
        Ok(Self {
            links: Links::load(&mut route)?,
            routes: routes::load(&mut route)?,
            policies: xfrm::policies(&mut xfrm)?,
            states: xfrm::states(&mut xfrm)?,
            names: ike::names(vici),
        })
    }

    /// All connections, by their if_ids.
    pub fn connections(&self) -> Vec<Connection<'_>> {
        let mut found = BTreeMap::<u32, Connection<'_>>::new();
        for link in self.links.iter() {
            if let Kind::Static { if_id } = link.kind {
                entry(&mut found, if_id).devices.push(link);
            }
        }
        for route in &self.routes {
            for hop in &route.hops {
                let Some(if_id) = hop.if_id else { continue };
                let connection = entry(&mut found, if_id);
                connection.routes.push((route, hop));
                connection
                    .vrfs
                    .extend(self.links.vrf_of_table(route.table).map(|vrf| vrf.index));
            }
        }
        for policy in &self.policies {
            entry(&mut found, policy.if_id).policies.push(policy);
        }
        for state in &self.states {
            entry(&mut found, state.if_id).states.push(state);
        }
        for (if_id, names) in &self.names {
            entry(&mut found, *if_id).names.clone_from(names);
        }
        for connection in found.values_mut() {
            for device in &connection.devices {
                connection
                    .vrfs
                    .extend(self.links.vrf_of(device).map(|vrf| vrf.index));
            }
        }
        found.into_values().collect()
    }

    /// Whether a state decrypts what comes in.
    pub fn is_inbound(&self, state: &State) -> bool {
        self.links.is_local(state.destination)
    }
}

fn entry<'m, 'a>(
    found: &'m mut BTreeMap<u32, Connection<'a>>,
    if_id: u32,
) -> &'m mut Connection<'a> {
    found.entry(if_id).or_insert_with(|| Connection::new(if_id))
}

/// A connection.
#[derive(Debug)]
pub struct Connection<'a> {
    pub if_id: u32,
    /// What charon calls it.
    pub names: Vec<String>,
    /// The static devices that it has.
    pub devices: Vec<&'a Link>,
    /// The VRFs whose routes lead to it, or that its devices are in, by their indices.
    pub vrfs: BTreeSet<u32>,
    /// The routes that lead to it, and by which of their hops.
    pub routes: Vec<(&'a Route, &'a Hop)>,
    pub policies: Vec<&'a Policy>,
    pub states: Vec<&'a State>,
}

impl Connection<'_> {
    fn new(if_id: u32) -> Self {
        Self {
            if_id,
            names: Vec::new(),
            devices: Vec::new(),
            vrfs: BTreeSet::new(),
            routes: Vec::new(),
            policies: Vec::new(),
            states: Vec::new(),
        }
    }

    /// The devices that its packets go by, static and external ones, by their indices.
    pub fn device_indices(&self) -> BTreeSet<u32> {
        let by_routes = self.routes.iter().filter_map(|(_, hop)| hop.device);
        self.devices
            .iter()
            .map(|device| device.index)
            .chain(by_routes)
            .collect()
    }

    /// What one calls whoever has it: a VRF, or what charon calls it, or a device of its own.
    pub fn tenant(&self, links: &Links) -> String {
        let vrf = self.vrfs.iter().next().map(|index| links.name(*index));
        let device = || self.devices.first().map(|device| device.name.clone());
        vrf.or_else(|| self.names.first().cloned())
            .or_else(device)
            .unwrap_or_else(|| format!("if_id {}", self.if_id))
    }

    /// Whether one asks for it by this word: its number, or the name of something that it has.
    pub fn is_called(&self, word: &str, links: &Links) -> bool {
        let number = word.strip_prefix("0x").map_or_else(
            || word.parse().ok(),
            |digits| u32::from_str_radix(digits, 16).ok(),
        );
        let mut indices = self
            .vrfs
            .iter()
            .copied()
            .chain(self.devices.iter().map(|one| one.index));
        number == Some(self.if_id)
            || self.names.iter().any(|name| name == word)
            || indices.any(|index| links.get(index).is_some_and(|link| link.name == word))
    }

    /// What is inconsistent, in words.
    pub fn findings(&self, snapshot: &Snapshot) -> Vec<String> {
        let mut found = Vec::new();
        self.find_of_routes(snapshot, &mut found);
        self.find_of_policies(&mut found);
        self.find_of_the_id(snapshot, &mut found);
        found
    }

    fn find_of_routes(&self, snapshot: &Snapshot, found: &mut Vec<String>) {
        let out = |policy: &&&Policy| policy.direction == Direction::Out;
        for (route, hop) in &self.routes {
            let what = describe(route, hop, &snapshot.links);
            match hop.device.and_then(|index| snapshot.links.get(index)) {
                Some(device) if device.kind != Kind::External => found.push(format!(
                    "{what}: {} is no external device, so its connection is not looked at",
                    device.name
                )),
                Some(device) if !device.up => {
                    found.push(format!("{what}: {} is down", device.name))
                }
                _ if hop.dead => found.push(format!("{what}: it is dead")),
                _ => {}
            }
            if let Some(link) = hop.link.filter(|link| *link != 0)
                && snapshot.links.get(link).is_none()
            {
                found.push(format!(
                    "{what}: the device that it is bound to, {link}, is gone"
                ));
            }
            // A prefix that a policy has a part of, or is a part of.
            let covered = self.policies.iter().filter(out).any(|policy| {
                let (one, other) = (&policy.destination, &route.destination);
                one.contains(other) || other.contains(one)
            });
            if !covered {
                found.push(format!("{what}: no policy of the connection is for it"));
            }
        }
    }

    fn find_of_policies(&self, found: &mut Vec<String>) {
        for policy in self.policies.iter().filter(|policy| policy.allow) {
            let missing = policy.templates.iter().find(|template| {
                !template.optional && !self.states.iter().any(|state| template.fits(state))
            });
            // What is forwarded uses the same states as what comes in.
            if let Some(template) = missing.filter(|_| policy.direction != Direction::Forward) {
                found.push(format!(
                    "policy {}: no {} state from {} to {}{}",
                    policy_name(policy),
                    xfrm::protocol_name(template.protocol),
                    template.source,
                    template.destination,
                    if template.reqid == 0 {
                        String::new()
                    } else {
                        format!(" with reqid {}", template.reqid)
                    },
                ));
            }
        }
        let used = |state: &State| {
            self.policies
                .iter()
                .flat_map(|policy| &policy.templates)
                .any(|one| one.fits(state))
        };
        for state in self.states.iter().filter(|state| !used(state)) {
            found.push(format!(
                "state {} with SPI {:#010x}: no policy of the connection uses it",
                between(state),
                state.spi
            ));
        }
    }

    fn find_of_the_id(&self, snapshot: &Snapshot, found: &mut Vec<String>) {
        let names = |indices: &mut dyn Iterator<Item = u32>| {
            indices
                .map(|index| snapshot.links.name(index))
                .collect::<Vec<_>>()
                .join(", ")
        };
        if self.vrfs.len() > 1 {
            found.push(format!(
                "several VRFs have it: {}; with vrf-by-route what comes in is dropped",
                names(&mut self.vrfs.iter().copied())
            ));
        }
        let external = self.device_indices().len() > self.devices.len();
        if !self.devices.is_empty() && external {
            found.push(format!(
                "routes of external devices have the if_id of {}",
                names(&mut self.devices.iter().map(|device| device.index))
            ));
        }
        // Packets for one selector go to the first of several peers only.
        let mut peers = BTreeMap::<_, BTreeSet<_>>::new();
        for policy in self
            .policies
            .iter()
            .filter(|policy| policy.direction == Direction::Out)
        {
            if let Some(outer) = policy.templates.last() {
                let selector = (policy.source, policy.destination, policy.protocol);
                if !policy.narrower && policy.mark.is_none() {
                    peers.entry(selector).or_default().insert(outer.destination);
                }
            }
        }
        for ((source, destination, _), peers) in peers.iter().filter(|(_, peers)| peers.len() > 1) {
            let peers = peers
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ");
            found.push(format!(
                "it is used twice: policies from {source} to {destination} lead to {peers}"
            ));
        }
    }
}

/// A route, as one would write it.
pub fn describe(route: &Route, hop: &Hop, links: &Links) -> String {
    let mut text = format!("route {}", route.destination);
    match (links.vrf_of_table(route.table), route.table) {
        (Some(vrf), _) => text += &format!(" vrf {}", vrf.name),
        (None, MAIN) => {}
        (None, table) => text += &format!(" table {table}"),
    }
    if let Some(gateway) = hop.gateway {
        text += &format!(" via {gateway}");
    }
    if let Some(device) = hop.device {
        text += &format!(" dev {}", links.name(device));
    }
    if let Some(nexthop) = route.nexthop {
        text += &format!(" nhid {nexthop}");
    }
    text
}

/// The table that is meant where none is named.
pub const MAIN: u32 = 254;

/// A policy, in few words.
pub fn policy_name(policy: &Policy) -> String {
    let direction = match policy.direction {
        Direction::Out => "out",
        Direction::In => "in",
        Direction::Forward => "fwd",
    };
    format!("{direction} {} to {}", policy.source, policy.destination)
}

/// Between which addresses a state is.
pub fn between(state: &State) -> String {
    format!(
        "{} from {} to {}",
        xfrm::protocol_name(state.protocol),
        state.source,
        state.destination
    )
}
