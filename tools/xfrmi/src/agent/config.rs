// SPDX-License-Identifier: GPL-2.0

//! What the agent is told: who the tenants are.

use std::{collections::BTreeMap, path::Path, time::Duration};

use ipnet::IpNet;
use netlink_packet_route::route::RouteProtocol;

use super::{
    parse::{Statement, Word, Wrong, parse},
    pattern::Pattern,
};

/// The number that routes have unless another is given.
const PROTOCOL: u8 = 176;
/// `%unique` counts from 1. What is configured has to be beyond what it reaches.
const UNIQUE_BELOW: u32 = 0x10000;
const INTERVAL: u64 = 30;

#[derive(Debug, Clone)]
pub struct Config {
    pub device: String,
    pub protocol: u8,
    /// If_ids below are those that charon gives by itself, and gives again after a restart.
    pub unique_below: u32,
    /// How often all is looked at even if nothing has been heard.
    pub interval: Duration,
    pub tenants: Vec<Tenant>,
}

#[derive(Debug, Clone)]
pub struct Tenant {
    pub name: String,
    pub line: usize,
    /// None is the main table.
    pub vrf: Option<String>,
    pub if_ids: Vec<u32>,
    /// Nothing is outside of an empty one.
    pub pool: Vec<IpNet>,
    pub connections: Vec<Pattern>,
}

impl Config {
    /// Reads a file. Errors are whole lines for people, all of them.
    pub fn load(path: &Path) -> Result<Self, String> {
        let text =
            std::fs::read_to_string(path).map_err(|why| format!("{}: {why}", path.display()))?;
        Self::new(&text).map_err(|wrong| {
            let line = |one: &Wrong| format!("{}:{}: {}", path.display(), one.line, one.what);
            wrong.iter().map(line).collect::<Vec<_>>().join("\n")
        })
    }

    /// From the text of a file.
    pub fn new(text: &str) -> Result<Self, Vec<Wrong>> {
        let (statements, mut wrong) = parse(text);
        let mut config = Self {
            device: String::new(),
            protocol: PROTOCOL,
            unique_below: UNIQUE_BELOW,
            interval: Duration::from_secs(INTERVAL),
            tenants: Vec::new(),
        };
        // Where each if_id is given, for what is found only at the end.
        let mut lines = BTreeMap::new();
        let mut seen = BTreeMap::new();
        for statement in &statements {
            if statement.name.text == "tenant" {
                let tenant = tenant(statement, &mut lines, &mut wrong);
                config.tenants.extend(tenant);
                continue;
            }
            if let Err(one) = config.set(statement, &mut seen) {
                wrong.push(one);
            }
        }
        if config.device.is_empty() && !seen.contains_key("device") {
            wrong.push(Wrong::new(
                text.lines().count().max(1),
                "no 'device': which external device carries the connections?",
            ));
        }
        config.reachable(&lines, &mut wrong);
        config.overlaps(&lines, &mut wrong);
        wrong.sort();
        wrong.dedup();
        if wrong.is_empty() {
            Ok(config)
        } else {
            Err(wrong)
        }
    }

    fn set(
        &mut self,
        statement: &Statement,
        seen: &mut BTreeMap<String, usize>,
    ) -> Result<(), Wrong> {
        let name = &statement.name;
        let known = ["device", "protocol", "unique_below", "interval"];
        if !known.contains(&name.text.as_str()) {
            return Err(unknown(name, &[&known[..], &["tenant"]].concat()));
        }
        if let Some(before) = seen.insert(name.text.clone(), name.line) {
            return Err(Wrong::new(
                name.line,
                format!("'{}' again, after line {before}", name.text),
            ));
        }
        let value = only(statement)?;
        match name.text.as_str() {
            "device" => self.device = device_name(value)?,
            "protocol" => self.protocol = protocol(value)?,
            "unique_below" => self.unique_below = number(value)?,
            _ => match number(value)? {
                0 => return Err(Wrong::new(value.line, "interval 0: it is in seconds")),
                seconds => self.interval = Duration::from_secs(seconds.into()),
            },
        }
        Ok(())
    }

    /// If_ids that charon may give to somebody else.
    fn reachable(&self, lines: &BTreeMap<(usize, u32), usize>, wrong: &mut Vec<Wrong>) {
        for ((_, if_id), line) in lines {
            if *if_id == 0 {
                wrong.push(Wrong::new(*line, "if_id 0 is no connection"));
            } else if *if_id < self.unique_below {
                wrong.push(Wrong::new(
                    *line,
                    format!(
                        "if_id {if_id} is one that %unique can reach: take one of {:#x} or above",
                        self.unique_below
                    ),
                ));
            }
        }
    }

    /// What two tenants can't both have.
    fn overlaps(&self, lines: &BTreeMap<(usize, u32), usize>, wrong: &mut Vec<Wrong>) {
        for (i, tenant) in self.tenants.iter().enumerate() {
            for before in &self.tenants[..i] {
                let names = format!("tenants {} and {}", before.name, tenant.name);
                if before.name == tenant.name {
                    let what = format!("tenant {} again, after line {}", tenant.name, before.line);
                    wrong.push(Wrong::new(tenant.line, what));
                    continue;
                }
                for if_id in tenant
                    .if_ids
                    .iter()
                    .filter(|if_id| before.if_ids.contains(if_id))
                {
                    let line = lines
                        .get(&(tenant.line, *if_id))
                        .copied()
                        .unwrap_or(tenant.line);
                    wrong.push(Wrong::new(
                        line,
                        format!("{names} both have if_id {if_id:#x}"),
                    ));
                }
                for pattern in &tenant.connections {
                    for other in before
                        .connections
                        .iter()
                        .filter(|other| other.meets(pattern))
                    {
                        let what = format!(
                            "{names} both have connections that are called '{other}' and '{pattern}'"
                        );
                        wrong.push(Wrong::new(tenant.line, what));
                    }
                }
                if before.vrf == tenant.vrf {
                    let table = tenant
                        .vrf
                        .as_ref()
                        .map_or_else(|| "the main table".into(), |vrf| format!("vrf {vrf}"));
                    if before.pool.is_empty() || tenant.pool.is_empty() {
                        let what = format!("{names} share {table}: each needs a pool");
                        wrong.push(Wrong::new(tenant.line, what));
                    }
                    for (one, other) in before
                        .pool
                        .iter()
                        .flat_map(|one| tenant.pool.iter().map(move |other| (one, other)))
                    {
                        if one.contains(other) || other.contains(one) {
                            let what =
                                format!("{names} share {table}, but {one} and {other} overlap");
                            wrong.push(Wrong::new(tenant.line, what));
                        }
                    }
                }
            }
        }
    }
}

fn tenant(
    statement: &Statement,
    lines: &mut BTreeMap<(usize, u32), usize>,
    wrong: &mut Vec<Wrong>,
) -> Option<Tenant> {
    let line = statement.name.line;
    let name = match statement.values.as_slice() {
        [name] => name.text.clone(),
        _ => {
            wrong.push(Wrong::new(line, "'tenant' is followed by one name"));
            return None;
        }
    };
    let Some(block) = &statement.block else {
        wrong.push(Wrong::new(line, format!("tenant {name} has no '{{'")));
        return None;
    };
    let mut tenant = Tenant {
        name,
        line,
        vrf: None,
        if_ids: Vec::new(),
        pool: Vec::new(),
        connections: Vec::new(),
    };
    for one in block {
        if let Err(what) = member(&mut tenant, one, lines) {
            wrong.push(what);
        }
    }
    let known = |name: &str| block.iter().any(|one| one.name.text == name);
    if !known("if_id") && !known("connection") {
        let what = format!(
            "tenant {} has neither 'if_id' nor 'connection'",
            tenant.name
        );
        wrong.push(Wrong::new(line, what));
    }
    Some(tenant)
}

fn member(
    tenant: &mut Tenant,
    statement: &Statement,
    lines: &mut BTreeMap<(usize, u32), usize>,
) -> Result<(), Wrong> {
    let name = &statement.name;
    match name.text.as_str() {
        "vrf" if tenant.vrf.is_some() => return Err(Wrong::new(name.line, "'vrf' again")),
        "vrf" => tenant.vrf = Some(device_name(only(statement)?)?),
        "if_id" | "pool" | "connection" => {
            plain(statement)?;
            if statement.values.is_empty() {
                return Err(Wrong::new(
                    name.line,
                    format!("'{}' has no value", name.text),
                ));
            }
            for value in &statement.values {
                match name.text.as_str() {
                    "if_id" => {
                        let if_id = number(value)?;
                        tenant.if_ids.push(if_id);
                        lines.insert((tenant.line, if_id), value.line);
                    }
                    "pool" => tenant.pool.push(prefix(value)?),
                    _ => tenant.connections.push(Pattern::new(&value.text)),
                }
            }
        }
        _ => return Err(unknown(name, &["vrf", "if_id", "pool", "connection"])),
    }
    Ok(())
}

fn unknown(name: &Word, known: &[&str]) -> Wrong {
    Wrong::new(
        name.line,
        format!(
            "unknown word '{}': there are {}",
            name.text,
            known.join(", ")
        ),
    )
}

fn plain(statement: &Statement) -> Result<(), Wrong> {
    match statement.block {
        None => Ok(()),
        Some(_) => Err(Wrong::new(
            statement.name.line,
            format!("'{}' has no block", statement.name.text),
        )),
    }
}

fn only(statement: &Statement) -> Result<&Word, Wrong> {
    plain(statement)?;
    match statement.values.as_slice() {
        [value] => Ok(value),
        _ => Err(Wrong::new(
            statement.name.line,
            format!("'{}' has one value", statement.name.text),
        )),
    }
}

fn number(word: &Word) -> Result<u32, Wrong> {
    let text = &word.text;
    let found = text
        .strip_prefix("0x")
        .map_or_else(|| text.parse(), |digits| u32::from_str_radix(digits, 16));
    found.map_err(|_| Wrong::new(word.line, format!("'{text}' is no number of 32 bits")))
}

fn protocol(word: &Word) -> Result<u8, Wrong> {
    let found = number(word)?;
    let found = u8::try_from(found)
        .map_err(|_| Wrong::new(word.line, format!("protocol {found}: it has 8 bits")))?;
    match RouteProtocol::from(found) {
        RouteProtocol::Other(_) => Ok(found),
        // All routes with the number are taken for the agent's own.
        taken => Err(Wrong::new(
            word.line,
            format!("protocol {found} is that of {taken}: take another"),
        )),
    }
}

fn device_name(word: &Word) -> Result<String, Wrong> {
    let text = &word.text;
    if text.len() > 15 || text.contains(['/', ':']) {
        return Err(Wrong::new(
            word.line,
            format!("'{text}' is no name of a device"),
        ));
    }
    Ok(text.clone())
}

fn prefix(word: &Word) -> Result<IpNet, Wrong> {
    let text = &word.text;
    let found = text
        .parse::<IpNet>()
        .or_else(|_| text.parse().map(|ip: std::net::IpAddr| ip.into()));
    match found {
        Ok(prefix) if prefix == prefix.trunc() => Ok(prefix),
        Ok(prefix) => Err(Wrong::new(
            word.line,
            format!(
                "{text} has bits beyond its length: {} is meant?",
                prefix.trunc()
            ),
        )),
        Err(_) => Err(Wrong::new(word.line, format!("'{text}' is no prefix"))),
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
