// SPDX-License-Identifier: GPL-2.0

//! What connections have carried since one began to look. States count for themselves, and go with
//! what they have counted when connections are rekeyed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use crate::{connections::Snapshot, xfrm::Direction};

/// Of one connection in one direction.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Counter {
    pub bytes: u64,
    pub packets: u64,
    /// States that were there or came.
    pub states_seen: u64,
    /// States that are there.
    pub states: u64,
    /// When the newest was added, in seconds of the epoch.
    pub newest: u64,
    pub replays: u64,
    pub failures: u64,
}

impl Counter {
    /// How often the connection was rekeyed, if it began with one state.
    pub fn rekeys(&self) -> u64 {
        self.states_seen.saturating_sub(1)
    }

    pub fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.packets += other.packets;
        self.states_seen += other.states_seen;
        self.states += other.states;
        self.newest = self.newest.max(other.newest);
        self.replays += other.replays;
        self.failures += other.failures;
    }
}

/// A state, and when it was added, since another one may have its SPI later.
type Key = (IpAddr, u32, u8, u64);

#[derive(Debug, Default, Clone)]
struct Seen {
    bytes: u64,
    packets: u64,
    replays: u64,
    failures: u64,
}

/// The counters of all connections.
#[derive(Debug, Default, Clone)]
pub struct Counters {
    /// Whether it has been looked before.
    begun: bool,
    seen: HashMap<Key, Seen>,
    counters: BTreeMap<(u32, Direction), Counter>,
}

impl Counters {
    /// Adds what states have counted since the last time. What those have counted before that were there
    /// the first time is left out.
    pub fn update(&mut self, snapshot: &Snapshot) {
        let first = !self.begun;
        self.begun = true;
        let mut there = HashSet::new();
        for counter in self.counters.values_mut() {
            (counter.states, counter.newest) = (0, 0);
        }
        for state in &snapshot.states {
            let direction = if snapshot.is_inbound(state) {
                Direction::In
            } else {
                Direction::Out
            };
            let counter = self.counters.entry((state.if_id, direction)).or_default();
            let key = (state.destination, state.spi, state.protocol, state.added);
            let now = Seen {
                bytes: state.bytes,
                packets: state.packets,
                replays: state.replays.into(),
                failures: state.failures.into(),
            };
            let before = match self.seen.insert(key, now.clone()) {
                Some(before) => before,
                None => {
                    counter.states_seen += 1;
                    if first { now.clone() } else { Seen::default() }
                }
            };
            counter.bytes += now.bytes.saturating_sub(before.bytes);
            counter.packets += now.packets.saturating_sub(before.packets);
            counter.replays += now.replays.saturating_sub(before.replays);
            counter.failures += now.failures.saturating_sub(before.failures);
            counter.states += 1;
            counter.newest = counter.newest.max(state.added);
            there.insert(key);
        }
        self.seen.retain(|key, _| there.contains(key));
    }

    /// Of a connection in a direction; nothing where it never had a state.
    pub fn get(&self, if_id: u32, direction: Direction) -> Counter {
        self.counters
            .get(&(if_id, direction))
            .cloned()
            .unwrap_or_default()
    }

    /// Forgets a connection. Returns what it has carried, by direction.
    pub fn forget(&mut self, if_id: u32) -> Vec<(Direction, Counter)> {
        [Direction::Out, Direction::In]
            .into_iter()
            .filter_map(|direction| Some((direction, self.counters.remove(&(if_id, direction))?)))
            .collect()
    }

    /// All that there have been.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Direction, &Counter)> {
        self.counters
            .iter()
            .map(|((if_id, direction), counter)| (*if_id, *direction, counter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xfrm::{Mode, State};

    fn state(spi: u32, bytes: u64, added: u64) -> State {
        State {
            if_id: 7,
            source: "192.0.2.1".parse().unwrap(),
            destination: "192.0.2.2".parse().unwrap(),
            protocol: 50,
            spi,
            reqid: 1,
            mode: Mode::Tunnel,
            bytes,
            packets: bytes / 100,
            added,
            soft: None,
            hard: None,
            replays: 0,
            failures: 0,
            overhead: None,
        }
    }

    fn out(counters: &mut Counters, states: &[State]) -> Counter {
        counters.update(&Snapshot {
            states: states.to_vec(),
            ..Snapshot::default()
        });
        counters.get(7, Direction::Out)
    }

    #[test]
    fn nothing_is_lost_when_rekeyed() {
        let mut counters = Counters::default();
        // What was carried before does not count.
        assert_eq!(out(&mut counters, &[state(1, 1000, 5)]).bytes, 0);
        assert_eq!(out(&mut counters, &[state(1, 1500, 5)]).bytes, 500);
        let both = out(&mut counters, &[state(1, 1600, 5), state(2, 300, 60)]);
        assert_eq!(
            (both.bytes, both.packets, both.rekeys(), both.states),
            (900, 9, 1, 2)
        );
        let new = out(&mut counters, &[state(2, 400, 60)]);
        assert_eq!(
            (new.bytes, new.rekeys(), new.states, new.newest),
            (1000, 1, 1, 60)
        );
        // The SPI is used again.
        assert_eq!(out(&mut counters, &[state(1, 50, 90)]).bytes, 1050);
        assert_eq!(out(&mut counters, &[]).states, 0);
        assert_eq!(out(&mut counters, &[]).bytes, 1050);
    }
}
