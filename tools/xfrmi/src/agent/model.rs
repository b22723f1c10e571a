// SPDX-License-Identifier: GPL-2.0

//! A charon and a kernel that only exist here, and whatever may happen to them.

mod acts;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    config::Config,
    desired::Desired,
    diff::{Change, Found, Key, diff},
    events::Event,
    sas::Sas,
};
use crate::ike::{ChildSa, IkeSa};

/// An IKE_SA with one CHILD_SA, both with the same number.
pub fn sa(connection: &str, id: u64, if_id: u32, selectors: &[&str]) -> (String, IkeSa) {
    let child = ChildSa {
        uniqueid: id.to_string(),
        state: "INSTALLED".into(),
        if_id_in: if_id,
        if_id_out: if_id,
        remote_ts: selectors.iter().map(ToString::to_string).collect(),
    };
    let ike = IkeSa {
        uniqueid: id.to_string(),
        remote_id: format!("peer{id}"),
        remote_eap_id: String::new(),
        child_sas: BTreeMap::from([(format!("net-{id}"), child)]),
    };
    (connection.into(), ike)
}

const CONFIG: &str = "
    device ipsec0
    unique_below 1000
    tenant red { vrf red; if_id 1001, 1002; pool 10.9.0.0/24; connection red-* }
    tenant blue { vrf blue; if_id 1003; pool 10.9.0.0/24; connection blue-* }
    tenant green { if_id 1004; connection green-* }
";

/// A CHILD_SA of charon's.
#[derive(Clone)]
struct Sa {
    ike: u64,
    connection: String,
    if_id: u32,
    prefix: String,
}

impl Sa {
    /// As charon tells of it.
    fn told(&self, id: u64, state: &str) -> (String, IkeSa) {
        let (name, mut ike) = sa(&self.connection, id, self.if_id, &[&self.prefix]);
        ike.uniqueid = self.ike.to_string();
        ike.child_sas
            .values_mut()
            .for_each(|child| child.state = state.into());
        (name, ike)
    }
}

struct Model {
    seed: u64,
    config: Config,
    sas: BTreeMap<u64, Sa>,
    last_id: u64,
    last_if_id: u32,
    /// The agent's view; none while it does not run.
    agent: Option<Sas>,
    kernel: BTreeMap<Key, u32>,
    /// How often each of the things has happened that can.
    steps: [usize; 10],
}

impl Model {
    fn new(seed: u64) -> Self {
        Self {
            seed: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            config: Config::new(CONFIG).unwrap(),
            sas: BTreeMap::new(),
            last_id: 0,
            last_if_id: 0,
            agent: Some(Sas::default()),
            kernel: BTreeMap::new(),
            steps: [0; 10],
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 33) % below
    }

    fn any_sa(&mut self) -> Option<(u64, Sa)> {
        let count = self.sas.len() as u64;
        let number = if count == 0 {
            return None;
        } else {
            self.random(count) as usize
        };
        self.sas
            .iter()
            .nth(number)
            .map(|(id, sa)| (*id, sa.clone()))
    }

    fn unique(&mut self) -> u32 {
        self.last_if_id += 1;
        self.last_if_id
    }

    fn table(vrf: Option<&str>) -> u32 {
        match vrf {
            Some("red") => 100,
            Some("blue") => 101,
            _ => 254,
        }
    }

    fn wanted(desired: &Desired) -> BTreeMap<Key, super::desired::Target> {
        let key = |place: &super::desired::Place| (Self::table(place.vrf.as_deref()), place.prefix);
        desired
            .routes
            .iter()
            .map(|(place, target)| (key(place), target.clone()))
            .collect()
    }

    fn tell(&mut self, event: Event) {
        if let Some(sas) = &mut self.agent {
            sas.apply(event);
            self.look();
        }
    }

    /// What the agent does, one change after the other.
    fn look(&mut self) {
        let Some(sas) = &self.agent else { return };
        let wanted = Self::wanted(&Desired::new(&self.config, sas));
        let found: Vec<_> = (self.kernel.iter().enumerate())
            .map(|(number, (key, if_id))| Found {
                key: *key,
                if_id: Some(*if_id),
                proper: true,
                replaceable: true,
                number,
            })
            .collect();
        for change in diff(&wanted, &found) {
            match change {
                Change::Remove { key, .. } => assert!(self.kernel.remove(&key).is_some()),
                Change::Add { key, target } => {
                    assert!(!self.kernel.contains_key(&key));
                    self.set(key, target.if_id);
                }
                Change::Replace { key, target, .. } => {
                    assert!(self.kernel.contains_key(&key));
                    self.set(key, target.if_id);
                }
            }
        }
        let now: BTreeMap<_, _> = wanted
            .into_iter()
            .map(|(key, target)| (key, target.if_id))
            .collect();
        assert_eq!(self.kernel, now);
    }

    /// No if_id leads from the tables of two tenants.
    fn set(&mut self, key: Key, if_id: u32) {
        self.kernel.insert(key, if_id);
        let tables: BTreeSet<_> = self
            .kernel
            .iter()
            .filter(|(_, other)| **other == if_id)
            .map(|(key, _)| key.0)
            .collect();
        assert_eq!(tables.len(), 1, "if_id {if_id} leads from {tables:?}");
    }

    fn all(&self) -> Sas {
        let mut sas = Sas::default();
        sas.list();
        for (id, sa) in &self.sas {
            let (name, ike) = sa.told(*id, "INSTALLED");
            sas.apply(Event::Listed(name, ike));
        }
        sas.listed();
        sas
    }

    /// The routes are those of an agent that has just been started.
    fn is_as_if_new(&self) {
        let Some(sas) = &self.agent else { return };
        let fresh = self.all();
        assert_eq!(*sas, fresh);
        let wanted = Self::wanted(&Desired::new(&self.config, &fresh));
        let wanted: BTreeMap<_, _> = wanted
            .into_iter()
            .map(|(key, target)| (key, target.if_id))
            .collect();
        assert_eq!(self.kernel, wanted);
        for (key, if_id) in &self.kernel {
            for sa in self.sas.values().filter(|sa| sa.if_id == *if_id) {
                let tenant = sa.connection.split('-').next();
                assert_eq!(
                    key.0,
                    Self::table(tenant),
                    "if_id {if_id} is {}",
                    sa.connection
                );
            }
        }
    }
}

#[test]
fn many() {
    let config = Config::new(CONFIG).unwrap();
    let mut sas = Sas::default();
    let start = std::time::Instant::now();
    for number in 1..=2000 {
        let (name, ike) = sa(
            "green-rw",
            number,
            u32::try_from(number % 999 + 1).unwrap(),
            &[&format!("10.{}.{}.1/32", number / 256, number % 256)],
        );
        sas.apply(Event::Up(name, ike));
        if number % 100 == 0 {
            assert_eq!(Desired::new(&config, &sas).routes.len() as u64, number);
        }
    }
    assert!(start.elapsed().as_secs() < 20);
}
