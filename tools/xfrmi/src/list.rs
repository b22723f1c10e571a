// SPDX-License-Identifier: GPL-2.0

//! `xfrmi list`: the connections of a namespace.

use std::{fmt::Write, process::ExitCode};

use anyhow::Result;
use netlink_packet_route::route::RouteProtocol;
use serde::Serialize;

use crate::{
    cli::{Global, List},
    connections::{Connection, Snapshot, between, describe, policy_name},
    output::{bytes, print_json, seconds},
    xfrm::{self, Direction, Mode, State},
};

/// The exit code of those that have found something.
const FOUND: u8 = 2;

#[derive(Serialize)]
struct Entry {
    if_id: u32,
    ike: Vec<String>,
    devices: Vec<String>,
    vrfs: Vec<String>,
    routes: Vec<RouteEntry>,
    policies: Vec<PolicyEntry>,
    states: Vec<StateEntry>,
    findings: Vec<String>,
}

#[derive(Serialize)]
struct RouteEntry {
    destination: String,
    table: u32,
    vrf: Option<String>,
    device: Option<String>,
    gateway: Option<std::net::IpAddr>,
    nexthop: Option<u32>,
    protocol: String,
}

#[derive(Serialize)]
struct PolicyEntry {
    direction: Direction,
    source: String,
    destination: String,
    priority: u32,
    allow: bool,
    reqids: Vec<u32>,
}

#[derive(Serialize)]
struct StateEntry {
    direction: Direction,
    source: std::net::IpAddr,
    destination: std::net::IpAddr,
    protocol: String,
    mode: Mode,
    spi: String,
    reqid: u32,
    bytes: u64,
    packets: u64,
    age_seconds: u64,
    rekey_seconds: Option<i64>,
    expire_seconds: Option<i64>,
    replays: u32,
    failures: u32,
}

/// The command.
pub fn run(global: &Global, options: &List) -> Result<ExitCode> {
    let snapshot = Snapshot::load(&global.vici)?;
    let mut shown = Vec::new();
    for connection in snapshot.connections() {
        let asked = options.tenants.is_empty()
            || options
                .tenants
                .iter()
                .any(|word| connection.is_called(word, &snapshot.links));
        let entry = Entry::new(&connection, &snapshot);
        if asked && (!options.wrong || !entry.findings.is_empty()) {
            shown.push((connection, entry));
        }
    }
    for word in &options.tenants {
        let connections = snapshot.connections();
        if !connections
            .iter()
            .any(|one| one.is_called(word, &snapshot.links))
        {
            anyhow::bail!("no connection is called '{word}': 'xfrmi list' lists all");
        }
    }
    let found = shown.iter().any(|(_, entry)| !entry.findings.is_empty());
    if global.json {
        print_json(&shown.iter().map(|(_, entry)| entry).collect::<Vec<_>>())?;
    } else {
        for (connection, entry) in &shown {
            crate::output::print(&text(connection, entry, &snapshot))?;
        }
    }
    Ok(ExitCode::from(if found { FOUND } else { 0 }))
}

impl Entry {
    fn new(connection: &Connection<'_>, snapshot: &Snapshot) -> Self {
        let links = &snapshot.links;
        let policies = connection.policies.iter().map(|policy| PolicyEntry {
            direction: policy.direction,
            source: policy.source.to_string(),
            destination: policy.destination.to_string(),
            priority: policy.priority,
            allow: policy.allow,
            reqids: policy
                .templates
                .iter()
                .map(|template| template.reqid)
                .collect(),
        });
        let routes = connection.routes.iter().map(|(route, hop)| RouteEntry {
            destination: route.destination.to_string(),
            table: route.table,
            vrf: links.vrf_of_table(route.table).map(|vrf| vrf.name.clone()),
            device: hop.device.map(|device| links.name(device)),
            gateway: hop.gateway,
            nexthop: route.nexthop,
            protocol: protocol_name(route.protocol),
        });
        Self {
            if_id: connection.if_id,
            ike: connection.names.clone(),
            devices: connection
                .device_indices()
                .into_iter()
                .map(|one| links.name(one))
                .collect(),
            vrfs: connection.vrfs.iter().map(|vrf| links.name(*vrf)).collect(),
            routes: routes.collect(),
            policies: policies.collect(),
            states: connection
                .states
                .iter()
                .map(|state| StateEntry::new(state, snapshot))
                .collect(),
            findings: connection.findings(snapshot),
        }
    }
}

impl StateEntry {
    fn new(state: &State, snapshot: &Snapshot) -> Self {
        let left = |limit: Option<u64>| {
            Some(i64::try_from(limit?).ok()? - i64::try_from(state.age()).unwrap_or(0))
        };
        let inbound = snapshot.is_inbound(state);
        Self {
            direction: if inbound {
                Direction::In
            } else {
                Direction::Out
            },
            source: state.source,
            destination: state.destination,
            protocol: xfrm::protocol_name(state.protocol),
            mode: state.mode,
            spi: format!("{:#010x}", state.spi),
            reqid: state.reqid,
            bytes: state.bytes,
            packets: state.packets,
            age_seconds: state.age(),
            rekey_seconds: left(state.soft),
            expire_seconds: left(state.hard),
            replays: state.replays,
            failures: state.failures,
        }
    }
}

fn text(connection: &Connection<'_>, entry: &Entry, snapshot: &Snapshot) -> String {
    let mut text = format!("if_id {}", connection.if_id);
    for (what, names) in [
        ("ike", &entry.ike),
        ("vrf", &entry.vrfs),
        ("dev", &entry.devices),
    ] {
        if !names.is_empty() {
            text += &format!("  {what} {}", names.join(", "));
        }
    }
    text.push('\n');
    for (route, hop) in &connection.routes {
        let protocol = protocol_name(route.protocol);
        let _ = writeln!(
            text,
            "  {}  proto {protocol}",
            describe(route, hop, &snapshot.links)
        );
    }
    for policy in &connection.policies {
        let action = if policy.allow { "" } else { "  block" };
        let _ = writeln!(
            text,
            "  policy {}  priority {}{action}",
            policy_name(policy),
            policy.priority
        );
    }
    for (state, shown) in connection.states.iter().zip(&entry.states) {
        let direction = if shown.direction == Direction::In {
            "in"
        } else {
            "out"
        };
        let _ = write!(
            text,
            "  state {direction} {}  SPI {}  {}, {} packets  age {}",
            between(state),
            shown.spi,
            bytes(state.bytes),
            state.packets,
            seconds(state.age()),
        );
        for (what, left) in [
            ("rekey", shown.rekey_seconds),
            ("ends", shown.expire_seconds),
        ] {
            if let Some(left) = left {
                let left = u64::try_from(left)
                    .map_or_else(|_| "overdue".into(), |left| format!("in {}", seconds(left)));
                let _ = write!(text, "  {what} {left}");
            }
        }
        if state.failures + state.replays > 0 {
            let _ = write!(
                text,
                "  {} not authentic, {} replayed",
                state.failures, state.replays
            );
        }
        text.push('\n');
    }
    for finding in &entry.findings {
        let _ = writeln!(text, "  ! {finding}");
    }
    text
}

/// Who has made a route, as ip names it; a number where nothing does.
fn protocol_name(protocol: RouteProtocol) -> String {
    match protocol {
        RouteProtocol::Other(number) => number.to_string(),
        known => known.to_string(),
    }
}
