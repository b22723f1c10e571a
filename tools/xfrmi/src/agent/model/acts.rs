// SPDX-License-Identifier: GPL-2.0

//! What may happen, in any order.

use std::collections::BTreeSet;

use super::{Model, Sa};
use crate::agent::{events::Event, sas::Sas};

impl Model {
    fn up(&mut self) {
        let tenant = ["red", "blue", "green", "grey"][self.random(4) as usize];
        let if_id = match (self.random(4), tenant) {
            (0, "red") => 1001 + self.random(4) as u32,
            (0, "blue") => 1003,
            (0, _) => 1004,
            _ => self.unique(),
        };
        // The last ones are outside of pools.
        let prefix = format!("10.9.{}.{}/32", self.random(8) / 7, self.random(4));
        self.last_id += 1;
        let sa = Sa {
            ike: self.last_id,
            connection: format!("{tenant}-rw"),
            if_id,
            prefix,
        };
        self.sas.insert(self.last_id, sa.clone());
        let (name, ike) = sa.told(self.last_id, "INSTALLED");
        self.tell(Event::Up(name, ike));
    }

    fn down(&mut self) {
        let Some((id, sa)) = self.any_sa() else {
            return;
        };
        self.sas.remove(&id);
        let (_, ike) = sa.told(id, "DELETING");
        let of_ike = self.random(2) == 0;
        self.tell(if of_ike {
            Event::IkeDown(ike)
        } else {
            Event::Down(ike)
        });
        if of_ike {
            self.sas.retain(|_, other| other.ike != sa.ike);
        }
    }

    fn rekey(&mut self) {
        let Some((id, mut sa)) = self.any_sa() else {
            return;
        };
        self.sas.remove(&id);
        if self.random(3) == 0 && sa.if_id < 1000 {
            sa.if_id = self.unique();
        }
        self.last_id += 1;
        self.sas.insert(self.last_id, sa.clone());
        let (name, ike) = sa.told(self.last_id, "INSTALLED");
        let new = ike.child_sas.values().next().unwrap().clone();
        self.tell(Event::ChildRekeyed {
            name,
            ike,
            old: id,
            new,
        });
    }

    fn rekey_ike(&mut self) {
        let Some((_, sa)) = self.any_sa() else { return };
        self.last_id += 1;
        let (old, new) = (sa.ike, self.last_id);
        self.sas
            .values_mut()
            .filter(|one| one.ike == old)
            .for_each(|one| one.ike = new);
        self.tell(Event::IkeRekeyed { old, new });
    }

    /// Make before break: the route is there all the time.
    fn reauthenticate(&mut self) {
        let Some((old, mut sa)) = self.any_sa() else {
            return;
        };
        let before = self.kernel.clone();
        let (_, gone) = sa.told(old, "DELETING");
        let gone_if_id = sa.if_id;
        if sa.if_id < 1000 {
            sa.if_id = self.unique();
        }
        self.last_id += 1;
        sa.ike = self.last_id;
        self.sas.insert(self.last_id, sa.clone());
        let (name, ike) = sa.told(self.last_id, "INSTALLED");
        self.tell(Event::Up(name, ike));
        let between: BTreeSet<_> = self.kernel.keys().copied().collect();
        // Whose was the old one's is the new one's.
        for (key, if_id) in &before {
            let mine = *if_id == gone_if_id && key.1.to_string() == sa.prefix;
            assert!(!mine || self.agent.is_none() || self.kernel[key] == sa.if_id);
        }
        self.sas.remove(&old);
        self.tell(Event::Down(gone));
        if self.agent.is_some() {
            let after: BTreeSet<_> = self.kernel.keys().copied().collect();
            assert!(before.keys().all(|key| between.contains(key)), "a gap");
            assert!(
                between.is_subset(&after),
                "the old one takes the new one's route"
            );
        }
    }

    /// Charon dies, and comes back with nothing.
    fn crash(&mut self) {
        self.sas.clear();
        self.last_id = 0;
        self.last_if_id = 0;
        if self.agent.is_some() {
            self.agent = Some(Sas::default());
            self.look();
            assert!(self.kernel.is_empty());
        }
    }

    fn agent_stops(&mut self) {
        self.agent = None;
    }

    fn agent_starts(&mut self) {
        self.agent = Some(self.all());
        self.look();
    }

    /// A list, in the middle of which something happens that events tell of.
    fn list(&mut self) {
        let Some(sas) = &mut self.agent else { return };
        sas.list();
        let listed: Vec<_> = self
            .sas
            .iter()
            .map(|(id, sa)| sa.told(*id, "INSTALLED"))
            .collect();
        let early = self.random(listed.len() as u64 + 1) as usize;
        for (name, ike) in &listed[..early] {
            self.tell(Event::Listed(name.clone(), ike.clone()));
        }
        let known: BTreeSet<_> = self.sas.keys().copied().collect();
        match self.random(3) {
            0 => self.up(),
            1 => self.down(),
            _ => self.rekey(),
        }
        for (name, ike) in &listed[early..] {
            // What has gone meanwhile is not listed any more.
            let id: u64 = ike
                .child_sas
                .values()
                .next()
                .unwrap()
                .uniqueid
                .parse()
                .unwrap();
            if known.contains(&id) && self.sas.contains_key(&id) {
                self.tell(Event::Listed(name.clone(), ike.clone()));
            }
        }
        if let Some(sas) = &mut self.agent {
            sas.listed();
        }
        self.look();
    }

    /// Somebody else deletes a route of the agent's, or makes it another.
    fn meddle(&mut self) {
        let count = self.kernel.len() as u64;
        if count == 0 {
            return;
        }
        let number = self.random(count) as usize;
        let key = *self.kernel.keys().nth(number).unwrap();
        if self.random(2) == 0 {
            self.kernel.remove(&key);
        } else {
            let if_id = 5000 + self.random(3) as u32;
            self.kernel.insert(key, if_id);
        }
        self.look();
    }

    fn step(&mut self) {
        let what = self.random(24);
        let (number, act): (usize, fn(&mut Self)) = match what {
            0..=5 => (0, Self::up),
            6..=9 => (1, Self::down),
            10..=12 => (2, Self::rekey),
            13 => (3, Self::rekey_ike),
            14..=16 => (4, Self::reauthenticate),
            17 => (5, Self::crash),
            18 => (6, Self::agent_stops),
            19..=20 => (7, Self::agent_starts),
            21..=22 => (8, Self::list),
            _ => (9, Self::meddle),
        };
        self.steps[number] += 1;
        act(self);
        self.is_as_if_new();
    }
}

#[test]
fn whatever_happens() {
    let (mut routes, mut steps) = (0, 0);
    for seed in 0..400 {
        let mut model = Model::new(seed);
        for _ in 0..250 {
            model.step();
            routes += model.kernel.len();
        }
        assert!(model.steps.iter().all(|count| *count > 0));
        steps += model.steps.iter().sum::<usize>();
    }
    // There is something to be seen.
    assert!(routes > steps, "{routes} routes in {steps} steps");
}
