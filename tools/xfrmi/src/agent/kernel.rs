// SPDX-License-Identifier: GPL-2.0

//! Makes the kernel's routes those that there should be.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use netlink_packet_route::route::RouteType;

use super::{
    config::Config,
    desired::{Desired, Target},
    diff::{Change, Found, Key, diff},
    log,
};
use crate::{
    connections::MAIN,
    links::{Kind, Links},
    netlink::Netlink,
    routes::{self, Encapsulated, Route},
};

pub struct Kernel {
    netlink: Netlink,
    /// What its changes are known by.
    pub port: u32,
    /// What has been complained about, so that it is not said again and again.
    complaints: BTreeSet<String>,
    /// Who has had which route, for the log.
    owners: BTreeMap<Key, Target>,
}

impl Kernel {
    pub fn new() -> Result<Self> {
        let netlink = Netlink::route()?;
        let port = netlink.port()?;
        Ok(Self {
            netlink,
            port,
            complaints: BTreeSet::new(),
            owners: BTreeMap::new(),
        })
    }

    /// Changes what has to be. Whether all is as it should be now.
    pub fn reconcile(&mut self, config: &Config, desired: &Desired) -> Result<bool> {
        let links = Links::load(&mut self.netlink)?;
        let mut wrong = desired.refused.clone();
        let complete = wrong.len();
        let (device, wanted) = match desired.routes.is_empty() {
            true => (0, BTreeMap::new()),
            false => resolve(config, desired, &links, &mut wrong),
        };
        let there = routes::load_of(&mut self.netlink, config.protocol)?;
        let found: Vec<_> = there
            .iter()
            .enumerate()
            .map(|(number, route)| found(number, route, device))
            .collect();
        // If_ids of which a route may still be with somebody who should not have it.
        let mut held = BTreeSet::new();
        for change in diff(&wanted, &found) {
            let (key, if_id, old) = match &change {
                Change::Remove { key, if_id, .. } => (key, None, *if_id),
                Change::Add { key, target } => (key, Some(target.if_id), None),
                Change::Replace {
                    key,
                    target,
                    before,
                } => (key, Some(target.if_id), *before),
            };
            if if_id.is_some_and(|if_id| held.contains(&if_id)) {
                held.extend(old);
                continue;
            }
            let name = self.name(&change, &links);
            if let Err(why) = self.make(config, &change, &there, device) {
                wrong.insert(format!("{name}: {why}"));
                held.extend(old);
                continue;
            }
            log::info(name);
            match change {
                Change::Remove { .. } => self.owners.remove(key),
                Change::Add { key, target } | Change::Replace { key, target, .. } => {
                    self.owners.insert(key, target)
                }
            };
        }
        for what in wrong.difference(&self.complaints) {
            log::warning(what);
        }
        let complete = wrong.len() == complete && held.is_empty();
        self.complaints = wrong;
        Ok(complete)
    }

    /// Removes all routes. How many are left.
    pub fn flush(&mut self, config: &Config) -> Result<usize> {
        self.reconcile(config, &Desired::default())?;
        Ok(routes::load_of(&mut self.netlink, config.protocol)?.len())
    }

    fn make(
        &mut self,
        config: &Config,
        change: &Change,
        there: &[Route],
        device: u32,
    ) -> Result<()> {
        let route = |key: &Key, target: &Target| Encapsulated {
            table: key.0,
            destination: key.1,
            device,
            if_id: target.if_id,
            protocol: config.protocol,
        };
        match change {
            Change::Add { key, target } => routes::add(&mut self.netlink, &route(key, target)),
            Change::Replace { key, target, .. } => {
                routes::replace(&mut self.netlink, &route(key, target))
            }
            Change::Remove { number, .. } => routes::remove(&mut self.netlink, &there[*number]),
        }
    }

    /// A change, for people.
    fn name(&self, change: &Change, links: &Links) -> String {
        let (key, target) = match change {
            Change::Remove { key, .. } => (key, self.owners.get(key)),
            Change::Add { key, target } | Change::Replace { key, target, .. } => {
                (key, Some(target))
            }
        };
        let table = || match (links.vrf_of_table(key.0), key.0) {
            (Some(vrf), _) => format!("vrf {}", vrf.name),
            (None, MAIN) => "main".into(),
            (None, table) => format!("table {table}"),
        };
        let tenant = target.map_or_else(table, |target| target.tenant.clone());
        let prefix = key.1;
        let whose = target
            .map(|target| format!(" ({}, {})", target.connection, target.peer))
            .unwrap_or_default();
        match change {
            Change::Add { target, .. } => {
                format!("{tenant}: {prefix} via if_id {}{whose}", target.if_id)
            }
            Change::Replace { target, before, .. } => {
                match before.filter(|before| *before != target.if_id) {
                    Some(before) => format!(
                        "{tenant}: {prefix} via if_id {} instead of {before}{whose}",
                        target.if_id
                    ),
                    None => format!("{tenant}: {prefix} via if_id {} again{whose}", target.if_id),
                }
            }
            Change::Remove {
                if_id: Some(if_id), ..
            } => format!("{tenant}: {prefix} no more via if_id {if_id}{whose}"),
            Change::Remove { .. } => format!("{tenant}: {prefix} no more{whose}"),
        }
    }
}

/// The device, and the tables in which the routes are. Without a device there are no routes; nor are
/// there in a VRF that does not exist, whose table may be another's by now.
fn resolve(
    config: &Config,
    desired: &Desired,
    links: &Links,
    wrong: &mut BTreeSet<String>,
) -> (u32, BTreeMap<Key, Target>) {
    let mut wanted = BTreeMap::new();
    let device = match links.by_name(&config.device) {
        Some(link) if link.kind != Kind::External => {
            wrong.insert(format!("{}: it is no external XFRM device", link.name));
            return (0, wanted);
        }
        // It has no routes as long as it is down.
        Some(link) if !link.up => {
            wrong.insert(format!("{}: it is down", link.name));
            return (0, wanted);
        }
        Some(link) => link.index,
        None => {
            wrong.insert(format!("{}: there is no such device", config.device));
            return (0, wanted);
        }
    };
    for (place, target) in &desired.routes {
        let table = match place.vrf.as_ref().map(|vrf| (vrf, links.by_name(vrf))) {
            None => MAIN,
            Some((vrf, link)) => match link.map(|link| &link.kind) {
                Some(Kind::Vrf { table }) => *table,
                Some(_) => {
                    wrong.insert(format!("{}: {vrf} is no VRF", target.tenant));
                    continue;
                }
                None => {
                    wrong.insert(format!("{}: there is no VRF {vrf}", target.tenant));
                    continue;
                }
            },
        };
        wanted.insert((table, place.prefix), target.clone());
    }
    (device, wanted)
}

fn found(number: usize, route: &Route, device: u32) -> Found {
    let usual = route.metric == routes::usual_metric(route.destination);
    let only = match route.hops.as_slice() {
        [hop] if route.nexthop.is_none() => Some(hop),
        _ => None,
    };
    let proper = route.kind == RouteType::Unicast
        && only.is_some_and(|hop| {
            hop.device == Some(device) && hop.gateway.is_none() && hop.link.is_none() && !hop.dead
        });
    Found {
        key: (route.table, route.destination),
        if_id: only.and_then(|hop| hop.if_id),
        proper,
        replaceable: usual && route.kind == RouteType::Unicast && only.is_some(),
        number,
    }
}
