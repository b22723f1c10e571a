// SPDX-License-Identifier: GPL-2.0

//! Which routes there should be: those of the CHILD_SAs that belong to a tenant.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::{
    config::{Config, Tenant},
    sas::{Child, Sas},
};

/// Where a route is. None is the main table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub vrf: Option<String>,
    pub prefix: IpNet,
}

/// Where it leads, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub if_id: u32,
    pub tenant: String,
    pub connection: String,
    pub peer: String,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Desired {
    pub routes: BTreeMap<Place, Target>,
    /// What gets no route, and why, in words.
    pub refused: BTreeSet<String>,
}

impl Desired {
    pub fn new(config: &Config, sas: &Sas) -> Self {
        let mut desired = Self::default();
        let mut claims = BTreeMap::<u32, BTreeSet<String>>::new();
        let mut accepted = Vec::new();
        // A CHILD_SA without if_id is for no XFRM device.
        for (_, child) in sas.newest_first().filter(|(_, child)| child.if_id != 0) {
            let owner = Owner::new(config, child);
            claims
                .entry(child.if_id)
                .or_default()
                .extend(owner.claims(child));
            match owner.tenant(config, child) {
                Ok(tenant) => accepted.push((tenant, child)),
                Err(why) => {
                    desired
                        .refused
                        .insert(format!("{}: refused: {why}", who(child)));
                }
            }
        }
        for (tenant, child) in accepted {
            // Packets of one would take the states of the other. Nothing tells who is right.
            let claims = &claims[&child.if_id];
            if claims.len() > 1 {
                let names = claims.iter().cloned().collect::<Vec<_>>().join(" and ");
                desired.refused.insert(format!(
                    "{}: refused: {names} have the same if_id",
                    who(child)
                ));
                continue;
            }
            desired.add(tenant, child);
        }
        desired
    }

    fn add(&mut self, tenant: &Tenant, child: &Child) {
        for prefix in &child.selectors {
            if !tenant.pool.is_empty() && !tenant.pool.iter().any(|pool| pool.contains(prefix)) {
                let what = format!(
                    "{}: refused: {prefix} is outside of the pool of {}",
                    who(child),
                    tenant.name
                );
                self.refused.insert(what);
                continue;
            }
            let place = Place {
                vrf: tenant.vrf.clone(),
                prefix: *prefix,
            };
            // The newest of several is first: at reauthentication it takes over from the old one,
            // which goes soon.
            self.routes.entry(place).or_insert_with(|| Target {
                if_id: child.if_id,
                tenant: tenant.name.clone(),
                connection: child.connection.clone(),
                peer: child.peer.clone(),
            });
        }
    }
}

/// Who has a CHILD_SA, by what the configuration says of its connection and of its if_id.
struct Owner<'c> {
    by_name: Option<&'c Tenant>,
    /// Those that charon gives by itself say nothing.
    by_if_id: Option<&'c Tenant>,
}

impl<'c> Owner<'c> {
    fn new(config: &'c Config, child: &Child) -> Self {
        let named = |tenant: &&Tenant| {
            tenant
                .connections
                .iter()
                .any(|one| one.matches(&child.connection))
        };
        let numbered = |tenant: &&Tenant| tenant.if_ids.contains(&child.if_id);
        Self {
            by_name: config.tenants.iter().find(named),
            by_if_id: config.tenants.iter().find(numbered),
        }
    }

    /// All that have something to do with the if_id by it.
    fn claims(&self, child: &Child) -> Vec<String> {
        let names: Vec<_> = [self.by_name, self.by_if_id]
            .into_iter()
            .flatten()
            .map(|tenant| tenant.name.clone())
            .collect();
        if names.is_empty() {
            vec![format!("the connection {}", child.connection)]
        } else {
            names
        }
    }

    /// Whose it is, or why nobody's.
    fn tenant(&self, config: &Config, child: &Child) -> Result<&'c Tenant, String> {
        let Child { if_id, .. } = child;
        match (self.by_if_id, self.by_name) {
            // %unique may have counted as far as this.
            (Some(tenant), Some(other)) if tenant.name != other.name => Err(format!(
                "if_id {if_id:#x} is one of {}, the connection one of {}",
                tenant.name, other.name
            )),
            (Some(tenant), _) => Ok(tenant),
            (None, _) if *if_id >= config.unique_below => Err(format!(
                "no tenant has if_id {if_id:#x}, and it is not below {:#x}",
                config.unique_below
            )),
            (None, by_name) => {
                by_name.ok_or_else(|| "no tenant has connections with that name".into())
            }
        }
    }
}

/// A CHILD_SA, for people.
fn who(child: &Child) -> String {
    format!(
        "{}, {}, if_id {}",
        child.connection, child.peer, child.if_id
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{events::Event, model::sa};

    const CONFIG: &str = "
        device ipsec0
        tenant red { vrf red; if_id 0x10001; pool 10.9.0.0/24, fd00:9::/64; connection red-* }
        tenant blue { vrf blue; if_id 0x10002; pool 10.9.0.0/24; connection blue }
        tenant main { if_id 0x10003 }
    ";

    fn desired(children: &[(&str, u32, &[&str])]) -> (Vec<String>, Vec<String>) {
        let mut sas = Sas::default();
        for (number, (connection, if_id, selectors)) in children.iter().enumerate() {
            let (name, ike) = sa(connection, number as u64 + 1, *if_id, selectors);
            sas.apply(Event::Up(name, ike));
        }
        let desired = Desired::new(&Config::new(CONFIG).unwrap(), &sas);
        let text = |(place, target): (&Place, &Target)| {
            format!(
                "{} {} {}",
                place.vrf.as_deref().unwrap_or("-"),
                place.prefix,
                target.if_id
            )
        };
        (
            desired.routes.iter().map(text).collect(),
            desired.refused.into_iter().collect(),
        )
    }

    #[test]
    fn tenants() {
        let (routes, refused) = desired(&[
            ("red-1", 1, &["10.9.0.1/32", "fd00:9::1/128"]),
            ("blue", 2, &["10.9.0.1/32"]),
            ("anything", 0x10001, &["10.9.0.0/25"]),
            ("other", 0x10003, &["0.0.0.0/0"]),
            ("static", 0, &["10.9.0.9/32"]),
        ]);
        assert_eq!(
            routes,
            [
                "- 0.0.0.0/0 65539",
                "blue 10.9.0.1/32 2",
                "red 10.9.0.0/25 65537",
                "red 10.9.0.1/32 1",
                "red fd00:9::1/128 1"
            ]
        );
        assert!(refused.is_empty());
    }

    #[test]
    fn refusals() {
        for (children, expected) in [
            (
                &[("green", 1, &["10.9.0.1/32"][..])][..],
                "no tenant has connections with that name",
            ),
            (
                &[("red-1", 0x20000, &["10.9.0.1/32"])],
                "no tenant has if_id 0x20000, and it is not below 0x10000",
            ),
            (
                &[("red-1", 0x10002, &["10.9.0.1/32"])],
                "if_id 0x10002 is one of blue, the connection one of red",
            ),
            (
                &[("red-1", 1, &["10.9.1.1/32"])],
                "10.9.1.1/32 is outside of the pool of red",
            ),
            (
                &[("red-1", 1, &["0.0.0.0/0"])],
                "0.0.0.0/0 is outside of the pool of red",
            ),
            (
                &[
                    ("red-1", 1, &["10.9.0.1/32"]),
                    ("blue", 1, &["10.9.0.2/32"]),
                ],
                "blue and red have the same if_id",
            ),
            (
                &[
                    ("red-1", 0x10002, &["10.9.0.1/32"]),
                    ("x", 0x10002, &["10.9.0.2/32"]),
                ],
                "0x10002 is one of blue, the connection one of red|blue and red have the same if_id",
            ),
            (
                &[("red-1", 1, &["10.9.0.1/32"]), ("x", 1, &["10.9.0.2/32"])],
                "no tenant has connections with that name|have the same if_id",
            ),
        ] {
            let (routes, refused) = desired(children);
            assert!(routes.is_empty(), "{routes:?}");
            assert!(
                refused
                    .iter()
                    .all(|one| expected.split('|').any(|text| one.contains(text)))
                    && !refused.is_empty(),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn the_newest_has_it() {
        let (routes, _) = desired(&[
            ("red-1", 1, &["10.9.0.1/32"]),
            ("red-1", 2, &["10.9.0.1/32"]),
        ]);
        assert_eq!(routes, ["red 10.9.0.1/32 2"]);
    }
}
