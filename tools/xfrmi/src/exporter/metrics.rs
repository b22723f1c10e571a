// SPDX-License-Identifier: GPL-2.0

//! What is served of connections.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::{Debug, Error, Formatter},
    sync::{Arc, Mutex, PoisonError},
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
    /// Who has each if_id. It stays when the connection goes, as the counters do.
    tenants: HashMap<u32, String>,
    max_tenants: usize,
    connections: u64,
    findings: u64,
    /// Who tells of drops, if the kernel lets somebody.
    watcher: Option<Watcher>,
    /// By if_id, whether it was on its way out, and reason.
    drops: BTreeMap<(u32, bool, String), u64>,
    untold: u64,
}

impl Readings {
    pub fn new(max_tenants: usize, watcher: Option<Watcher>) -> Self {
        Self {
            counters: Counters::default(),
            tenants: HashMap::new(),
            max_tenants,
            connections: 0,
            findings: 0,
            watcher,
            drops: BTreeMap::new(),
            untold: 0,
        }
    }

    pub fn update(&mut self, snapshot: &Snapshot) {
        self.counters.update(snapshot, false);
        let connections = snapshot.connections();
        for connection in &connections {
            let known = self.tenants.len();
            let name = || connection.tenant(&snapshot.links);
            // A name may come later than the first policy or state.
            if let Some(tenant) = self.tenants.get_mut(&connection.if_id) {
                *tenant = name();
            } else if known < self.max_tenants {
                self.tenants.insert(connection.if_id, name());
            }
        }
        self.connections = connections.len() as u64;
        self.findings = connections
            .iter()
            .map(|one| one.findings(snapshot).len() as u64)
            .sum::<u64>();
        self.count_drops(snapshot);
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
            let if_id = own.or(one.if_id).unwrap_or(0);
            *self
                .drops
                .entry((if_id, one.is_out, one.reason))
                .or_default() += 1;
        }
    }

    /// Who has a connection, and the number that is shown: none of those that share a series.
    fn owner(&self, if_id: u32) -> (String, String) {
        match self.tenants.get(&if_id) {
            Some(tenant) => (tenant.clone(), if_id.to_string()),
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
        for (if_id, direction, counter) in self.counters.iter() {
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
