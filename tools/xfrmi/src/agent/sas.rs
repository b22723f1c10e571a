// SPDX-License-Identifier: GPL-2.0

//! The CHILD_SAs that charon has.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::events::Event;
use crate::ike::{ChildSa, IkeSa};

/// A CHILD_SA that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// The IKE_SA that it belongs to.
    pub ike: u64,
    /// What its connection is called in swanctl.conf.
    pub connection: String,
    /// Who the peer has shown to be.
    pub peer: String,
    pub if_id: u32,
    pub selectors: Vec<IpNet>,
}

/// All of them, by charon's numbers for them. Those count up: the highest is the newest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sas {
    children: BTreeMap<u64, Child>,
    /// What has been heard of since a listing has begun.
    heard: Option<BTreeSet<u64>>,
}

impl Sas {
    /// From the newest to the oldest.
    pub fn newest_first(&self) -> impl Iterator<Item = (u64, &Child)> {
        self.children.iter().rev().map(|(id, child)| (*id, child))
    }

    pub fn len(&self) -> usize {
        self.children.len()
    }

    /// `list-sas` begins. Events go on meanwhile; charon sends both in the order in which it has found
    /// them to be so.
    pub fn list(&mut self) {
        self.heard = Some(BTreeSet::new());
    }

    pub fn is_listing(&self) -> bool {
        self.heard.is_some()
    }

    /// `list-sas` is through: what has not been heard of is no more.
    pub fn listed(&mut self) {
        if let Some(heard) = self.heard.take() {
            self.children.retain(|id, _| heard.contains(id));
        }
    }

    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Listed(connection, ike) => {
                for child in ike.child_sas.values().filter(|child| is_installed(child)) {
                    self.insert(&connection, &ike, child);
                }
            }
            Event::Up(connection, ike) => {
                for child in ike.child_sas.values() {
                    self.insert(&connection, &ike, child);
                }
            }
            Event::Down(ike) => {
                for id in ike
                    .child_sas
                    .values()
                    .filter_map(|child| child.uniqueid.parse().ok())
                {
                    self.remove(id);
                }
            }
            Event::ChildRekeyed {
                name,
                ike,
                old,
                new,
            } => {
                self.insert(&name, &ike, &new);
                self.remove(old);
            }
            Event::IkeDown(ike) => {
                if let Ok(gone) = ike.uniqueid.parse::<u64>() {
                    self.children.retain(|_, child| child.ike != gone);
                }
            }
            Event::IkeRekeyed { old, new } => {
                for child in self.children.values_mut().filter(|child| child.ike == old) {
                    child.ike = new;
                }
            }
        }
    }

    fn insert(&mut self, connection: &str, ike: &IkeSa, child: &ChildSa) {
        let (Ok(id), Ok(of)) = (child.uniqueid.parse(), ike.uniqueid.parse()) else {
            return;
        };
        if let Some(heard) = &mut self.heard {
            heard.insert(id);
        }
        let new = Child {
            ike: of,
            connection: connection.to_owned(),
            peer: [&ike.remote_eap_id, &ike.remote_id]
                .into_iter()
                .find(|name| !name.is_empty())
                .cloned()
                .unwrap_or_default(),
            if_id: child.if_id_out,
            selectors: child
                .remote_ts
                .iter()
                .filter_map(|selector| prefix(selector))
                .collect(),
        };
        self.children.insert(id, new);
    }

    fn remove(&mut self, id: u64) {
        self.children.remove(&id);
    }
}

/// Whether packets may go by it. One that has been replaced may still, but its successor is there, too.
fn is_installed(child: &ChildSa) -> bool {
    ["INSTALLED", "UPDATING", "REKEYING"].contains(&child.state.as_str())
}

/// The prefix of a selector as charon writes it, as in `10.9.0.1/32[tcp/80]`. A range that is none has
/// no route.
fn prefix(selector: &str) -> Option<IpNet> {
    let address = selector.split('[').next()?;
    address.parse::<IpNet>().ok().map(|prefix| prefix.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        for (selector, expected) in [
            ("10.9.0.1/32", Some("10.9.0.1/32")),
            ("10.9.0.1/32[tcp/80]", Some("10.9.0.1/32")),
            ("fd00::/64[udp]", Some("fd00::/64")),
            ("0.0.0.0/0", Some("0.0.0.0/0")),
            ("10.9.0.1..10.9.0.7", None),
            ("dynamic", None),
        ] {
            assert_eq!(
                prefix(selector),
                expected.map(|text| text.parse().unwrap()),
                "{selector}"
            );
        }
    }
}
