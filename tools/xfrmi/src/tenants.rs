// SPDX-License-Identifier: GPL-2.0

//! What the tenants are called whose packets are seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::{
    connections::{Connection, Snapshot},
    links::{Kind, Links},
};

/// How old what is known has to be to be looked at anew.
const AGE: Duration = Duration::from_secs(1);

/// With very many connections, looking takes no more than one part in so many of the time.
const SHARE: u32 = 10;

pub struct Tenants {
    vici: PathBuf,
    /// The words by which some were asked for; all are meant if there are none.
    words: Vec<String>,
    links: Links,
    names: BTreeMap<u32, String>,
    wanted: BTreeSet<u32>,
    next: Instant,
}

impl Tenants {
    /// Fails if nobody is called by one of the words.
    pub fn load(vici: &Path, words: &[String]) -> Result<Self> {
        let mut tenants = Self {
            vici: vici.to_owned(),
            words: words.to_owned(),
            links: Links::default(),
            names: BTreeMap::new(),
            wanted: BTreeSet::new(),
            next: Instant::now(),
        };
        let snapshot = tenants.look()?;
        let connections = snapshot.connections();
        for word in words {
            if !connections
                .iter()
                .any(|one| one.is_called(word, &snapshot.links))
            {
                bail!("no connection is called '{word}': 'xfrmi list' lists all");
            }
        }
        drop(connections);
        tenants.links = snapshot.links;
        Ok(tenants)
    }

    fn look(&mut self) -> Result<Snapshot> {
        let start = Instant::now();
        let snapshot = Snapshot::load(&self.vici)?;
        let connections = snapshot.connections();
        self.names = connections
            .iter()
            .filter_map(|one| Some((one.if_id, name_of(one, &snapshot.links)?)))
            .collect();
        let is_wanted = |one: &&Connection<'_>| {
            self.words
                .iter()
                .any(|word| one.is_called(word, &snapshot.links))
        };
        self.wanted = connections
            .iter()
            .filter(is_wanted)
            .map(|one| one.if_id)
            .collect();
        drop(connections);
        self.next = Instant::now() + AGE.max(start.elapsed() * SHARE);
        Ok(snapshot)
    }

    /// Looks again, unless that was just done. Returns whether it has.
    pub fn refresh(&mut self) -> bool {
        if Instant::now() < self.next {
            return false;
        }
        // What was known serves as well if something keeps us from looking.
        match self.look() {
            Ok(snapshot) => self.links = snapshot.links,
            Err(_) => self.next = Instant::now() + AGE,
        }
        true
    }

    /// Whether something is known of a connection.
    pub fn knows(&self, if_id: Option<u32>) -> bool {
        if_id.is_none_or(|if_id| self.names.contains_key(&if_id))
    }

    /// What the tenant is called that has a connection: by its VRF, else by IKE, else by the device.
    pub fn name<'a>(&'a self, if_id: Option<u32>, device: &'a str) -> &'a str {
        if_id
            .and_then(|if_id| self.names.get(&if_id))
            .map_or(device, String::as_str)
    }

    /// Whether packets of a connection are asked for.
    pub fn wants(&self, if_id: Option<u32>) -> bool {
        self.words.is_empty() || if_id.is_some_and(|if_id| self.wanted.contains(&if_id))
    }

    /// The connections that are asked for by name.
    pub fn wanted(&self) -> &BTreeSet<u32> {
        &self.wanted
    }

    pub fn links(&self) -> &Links {
        &self.links
    }

    /// The connection of a static device.
    pub fn if_id_of(&self, device: u32) -> Option<u32> {
        match self.links.get(device)?.kind {
            Kind::Static { if_id } => Some(if_id),
            _ => None,
        }
    }
}

fn name_of(connection: &Connection<'_>, links: &Links) -> Option<String> {
    let vrfs = connection
        .vrfs
        .iter()
        .map(|vrf| links.name(*vrf))
        .collect::<Vec<_>>();
    let names = if vrfs.is_empty() {
        &connection.names
    } else {
        &vrfs
    };
    (!names.is_empty()).then(|| names.join(","))
}
