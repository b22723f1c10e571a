// SPDX-License-Identifier: GPL-2.0

//! Equal drops become one line with a count.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant, SystemTime},
};

/// For how long drops are waited for that are like one.
pub const PERIOD: Duration = Duration::from_secs(1);

/// How many different ones wait at most.
const MOST: usize = 10_000;

/// What has been dropped several times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged<K> {
    pub what: K,
    pub packets: u64,
    /// When the first was.
    pub time: SystemTime,
}

#[derive(Debug)]
pub struct Merger<K> {
    waiting: HashMap<K, (Instant, SystemTime, u64)>,
}

impl<K: Eq + Hash + Clone> Merger<K> {
    pub fn new() -> Self {
        Self {
            waiting: HashMap::new(),
        }
    }

    pub fn add(&mut self, what: K, time: SystemTime, now: Instant) {
        self.waiting.entry(what).or_insert((now, time, 0)).2 += 1;
    }

    /// What has waited for long enough, the first first; all of it when there is too much.
    pub fn due(&mut self, now: Instant) -> Vec<Merged<K>> {
        let is_full = self.waiting.len() >= MOST;
        self.take(|since| is_full || now.duration_since(since) >= PERIOD)
    }

    /// All of it.
    pub fn rest(&mut self) -> Vec<Merged<K>> {
        self.take(|_| true)
    }

    fn take(&mut self, is_due: impl Fn(Instant) -> bool) -> Vec<Merged<K>> {
        let mut due = self
            .waiting
            .extract_if(|_, (since, ..)| is_due(*since))
            .map(|(what, (_, time, packets))| Merged {
                what,
                packets,
                time,
            })
            .collect::<Vec<_>>();
        due.sort_by_key(|one| one.time);
        due
    }

    /// When the next will be due.
    pub fn next(&self) -> Option<Instant> {
        self.waiting
            .values()
            .map(|(since, ..)| *since + PERIOD)
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ones_are_counted() {
        let (start, time) = (Instant::now(), SystemTime::UNIX_EPOCH);
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut merger = Merger::new();
        merger.add("a", time, at(0));
        merger.add("b", time + PERIOD, at(500));
        merger.add("a", time + PERIOD, at(900));
        assert_eq!(merger.next(), Some(at(1000)));
        assert_eq!(merger.due(at(999)), []);
        assert_eq!(
            merger.due(at(1000)),
            [Merged {
                what: "a",
                packets: 2,
                time
            }]
        );
        // What comes later is told anew.
        merger.add("a", time, at(1001));
        assert_eq!(merger.due(at(1400)), []);
        let rest = merger.rest();
        assert_eq!(
            rest.iter()
                .map(|one| (one.what, one.packets))
                .collect::<Vec<_>>(),
            [("a", 1), ("b", 1)]
        );
        assert_eq!(merger.next(), None);
    }

    #[test]
    fn no_flood_takes_all_memory() {
        let now = Instant::now();
        let mut merger = Merger::new();
        for number in 0..MOST {
            merger.add(number, SystemTime::UNIX_EPOCH, now);
        }
        assert_eq!(merger.due(now).len(), MOST);
    }
}
