// SPDX-License-Identifier: GPL-2.0

//! What is served of connections.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::{Debug, Error, Formatter},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

use crate::{
    connections::Snapshot,
    counters::{Counter, Counters},
    drops::watcher::Watcher,
    links::Kind,
    xfrm::{Direction, now},
};

/// For how long a connection that has gone is served, so that its last counts are read.
const MEMORY: Duration = Duration::from_secs(3600);
/// The tenant of those for which there is no room.
const OTHER: &str = "other";

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct Labels {
    tenant: String,
    if_id: String,
    direction: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct DropLabels {
    tenant: String,
    if_id: String,
    direction: String,
    reason: String,
}

/// What was read last, of all connections that there have been.
pub struct Readings {
    counters: Counters,
    /// Who has each if_id. It stays for a while when the connection goes, as the counters do.
    tenants: HashMap<u32, Tenant>,
    max_tenants: usize,
    /// What those have carried that shared a series and are forgotten.
    rest: BTreeMap<Direction, Counter>,
    connections: u64,
    findings: u64,
    /// Who tells of drops, if the kernel lets somebody.
    watcher: Option<Watcher>,
    /// By if_id, whether it was on its way out, and reason.
    drops: BTreeMap<(u32, bool, String), u64>,
    untold: u64,
}

#[derive(Debug)]
struct Tenant {
    /// None of those that share a series: they do so until they go.
    name: Option<String>,
    seen: Instant,
}

impl Readings {
    pub fn new(max_tenants: usize, watcher: Option<Watcher>) -> Self {
        Self {
            counters: Counters::default(),
            tenants: HashMap::new(),
            max_tenants,
            rest: BTreeMap::new(),
            connections: 0,
            findings: 0,
            watcher,
            drops: BTreeMap::new(),
            untold: 0,
        }
    }

    pub fn update(&mut self, snapshot: &Snapshot) {
        self.counters.update(snapshot);
        let connections = snapshot.connections();
        let now = Instant::now();
        let mut named = self
            .tenants
            .values()
            .filter(|one| one.name.is_some())
            .count();
        for connection in &connections {
            let tenant = self.tenants.entry(connection.if_id).or_insert_with(|| {
                let has_room = named < self.max_tenants;
                named += usize::from(has_room);
                Tenant {
                    name: has_room.then(String::new),
                    seen: now,
                }
            });
            tenant.seen = now;
            // A name may come later than the first policy or state.
            if let Some(name) = &mut tenant.name {
                *name = connection.tenant(&snapshot.links);
            }
        }
        self.forget(now);
        self.connections = connections.len() as u64;
        self.findings = connections
            .iter()
            .map(|one| one.findings(snapshot).len() as u64)
            .sum::<u64>();
        self.count_drops(snapshot);
    }

    /// Forgets connections that have gone, which else would take all the room: road warriors have a new
    /// if_id each time.
    fn forget(&mut self, now: Instant) {
        let (counters, rest, drops) = (&mut self.counters, &mut self.rest, &mut self.drops);
        self.tenants.retain(|if_id, tenant| {
            if now.duration_since(tenant.seen) < MEMORY {
                return true;
            }
            for (direction, counter) in counters.forget(*if_id) {
                // What is shared never becomes less.
                if tenant.name.is_none() {
                    rest.entry(direction).or_default().add(&counter);
                }
            }
            drops.retain(|(dropped, ..), _| dropped != if_id);
            false
        });
    }

    fn count_drops(&mut self, snapshot: &Snapshot) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let (dropped, untold) = watcher.take();
        self.untold += untold;
        for one in dropped {
            // The connection of a static device is the device's, whatever the packet brings.
            let own = snapshot
                .links
                .get(one.ifindex)
                .and_then(|link| match link.kind {
                    Kind::Static { if_id } => Some(if_id),
                    _ => None,
                });
            // A packet may say anything, as those of IP tunnels do.
            let if_id = own
                .or(one.if_id)
                .filter(|if_id| {
                    self.tenants
                        .get(if_id)
                        .is_some_and(|one| one.name.is_some())
                })
                .unwrap_or(0);
            *self
                .drops
                .entry((if_id, one.is_out, one.reason))
                .or_default() += 1;
        }
    }

    /// Who has a connection, and the number that is shown: none of those that share a series.
    fn owner(&self, if_id: u32) -> (String, String) {
        match self.tenants.get(&if_id).and_then(|one| one.name.clone()) {
            Some(name) => (name, if_id.to_string()),
            None => (OTHER.to_string(), String::new()),
        }
    }

    fn drop_series(&self) -> BTreeMap<DropLabels, u64> {
        let mut series = BTreeMap::new();
        for ((if_id, is_out, reason), count) in &self.drops {
            let (tenant, if_id) = self.owner(*if_id);
            let labels = DropLabels {
                tenant,
                if_id,
                direction: if *is_out { "out" } else { "in" }.to_string(),
                reason: reason.clone(),
            };
            *series.entry(labels).or_default() += count;
        }
        series
    }

    fn series(&self) -> BTreeMap<Labels, Counter> {
        let mut series = BTreeMap::<Labels, Counter>::new();
        // No connection has the if_id 0.
        let rest = self
            .rest
            .iter()
            .map(|(direction, counter)| (0, *direction, counter));
        for (if_id, direction, counter) in self.counters.iter().chain(rest) {
            let (tenant, if_id) = self.owner(if_id);
            let direction = if direction == Direction::In {
                "in"
            } else {
                "out"
            }
            .to_string();
            series
                .entry(Labels {
                    tenant,
                    if_id,
                    direction,
                })
                .or_default()
                .add(counter);
        }
        series
    }
}

/// What Prometheus is given.
pub struct Metrics(pub Arc<Mutex<Readings>>);

impl Debug for Metrics {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result<(), Error> {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), Error> {
        let readings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let series = readings.series();
        let mut counter = |name, help, unit: Option<&Unit>, value: fn(&Counter) -> u64| {
            let kind = ConstCounter::new(0u64).metric_type();
            let mut family = encoder.encode_descriptor(name, help, unit, kind)?;
            for (labels, counter) in &series {
                ConstCounter::new(value(counter)).encode(family.encode_family(labels)?)?;
            }
            Ok(())
        };
        let bytes = Some(&Unit::Bytes);
        counter("carried", "Bytes of packets in the clear", bytes, |one| {
            one.bytes
        })?;
        counter("packets", "Packets", None, |one| one.packets)?;
        counter(
            "rekeys",
            "States that came after the first",
            None,
            Counter::rekeys,
        )?;
        counter(
            "replays",
            "Packets that came again or too late",
            None,
            |one| one.replays,
        )?;
        counter("not_authentic", "Packets of somebody else", None, |one| {
            one.failures
        })?;

        let mut gauge =
            |name, help, unit: Option<&Unit>, value: &dyn Fn(&Counter) -> Option<u64>| {
                let kind = ConstGauge::new(0u64).metric_type();
                let mut family = encoder.encode_descriptor(name, help, unit, kind)?;
                for (labels, counter) in &series {
                    if let Some(value) = value(counter) {
                        ConstGauge::new(value).encode(family.encode_family(labels)?)?;
                    }
                }
                Ok(())
            };
        let age = |one: &Counter| (one.states > 0).then(|| now().saturating_sub(one.newest));
        gauge("states", "States that there are", None, &|one| {
            Some(one.states)
        })?;
        gauge(
            "state_age",
            "The age of the newest state",
            Some(&Unit::Seconds),
            &age,
        )?;

        if readings.watcher.is_some() {
            let kind = ConstCounter::new(0u64).metric_type();
            let help = "Packets of XFRM interfaces that were dropped";
            let mut family = encoder.encode_descriptor("drops", help, None, kind)?;
            for (labels, count) in readings.drop_series() {
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
            let untold = ConstCounter::new(readings.untold);
            let help = "Drops that were too many to be told of";
            let kind = untold.metric_type();
            untold.encode(encoder.encode_descriptor("drops_untold", help, None, kind)?)?;
        }

        for (name, help, value) in [
            ("connections", "If_ids that there are", readings.connections),
            (
                "findings",
                "What xfrmi list --wrong lists",
                readings.findings,
            ),
        ] {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xfrm::{Mode, State};

    /// One state of each connection.
    fn snapshot(if_ids: &[u32], bytes: u64) -> Snapshot {
        let state = |if_id: &u32| State {
            if_id: *if_id,
            source: [192, 0, 2, 1].into(),
            destination: [192, 0, 2, 2].into(),
            protocol: 50,
            spi: *if_id,
            reqid: 1,
            mode: Mode::Tunnel,
            bytes,
            packets: 1,
            added: 1,
            soft: None,
            hard: None,
            replays: 0,
            failures: 0,
            overhead: None,
        };
        Snapshot {
            states: if_ids.iter().map(state).collect(),
            ..Snapshot::default()
        }
    }

    fn shown(readings: &Readings) -> Vec<(String, u64)> {
        let series = readings.series().into_iter();
        series
            .map(|(labels, counter)| (labels.tenant, counter.bytes))
            .collect()
    }

    #[test]
    fn those_that_go_make_room_and_what_is_shared_stays() {
        let mut readings = Readings::new(1, None);
        readings.update(&snapshot(&[5, 6], 0));
        readings.update(&snapshot(&[5, 6], 100));
        let both = [("if_id 5".into(), 100), ("other".into(), 100)];
        assert_eq!(shown(&readings), both);
        readings.update(&snapshot(&[], 0));
        assert_eq!(shown(&readings), both);
        readings.forget(Instant::now() + MEMORY);
        assert_eq!(shown(&readings), [("other".into(), 100)]);
        readings.update(&snapshot(&[7], 40));
        assert_eq!(
            shown(&readings),
            [("if_id 7".into(), 40), ("other".into(), 100)]
        );
    }
}
