// SPDX-License-Identifier: GPL-2.0

//! The BPF programs at the devices. They go with the process, however it ends.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use aya::{
    Ebpf,
    maps::{HashMap, MapData},
    programs::{
        LinkOrder, SchedClassifier, TcAttachType, tc::SchedClassifierLink, tc::TcAttachOptions,
    },
};

use crate::{
    bpf::{Programs, explain, program},
    links::{Kind, Link},
    tenants::Tenants,
};

/// In the value of a device: its lower half is the if_id that it has.
const STATIC: u64 = 1 << 32;

type Tap = (&'static str, TcAttachType, fn() -> LinkOrder);

/// Both directions: the program, where it is, and its place among those of others. As the first on
/// the way in it sees what none has taken; as the last on the way out it sees the connection that
/// another has chosen.
const TAPS: [Tap; 2] = [
    ("ingress", TcAttachType::Ingress, LinkOrder::first),
    ("egress", TcAttachType::Egress, LinkOrder::last),
];

pub struct Taps {
    devices: HashMap<MapData, u32, u64>,
    wanted: HashMap<MapData, u32, u32>,
    /// What is attached, by the device's index, and the value that the programs know of it.
    attached: BTreeMap<u32, (u64, Vec<SchedClassifierLink>)>,
    if_ids: BTreeSet<u32>,
}

impl Taps {
    pub fn new(programs: &mut Programs) -> Result<Self> {
        let object = &mut programs.object;
        let mut take = |name| {
            object
                .take_map(name)
                .with_context(|| format!("no map '{name}'"))
        };
        let taps = Self {
            devices: HashMap::try_from(take("devices")?)?,
            wanted: HashMap::try_from(take("wanted")?)?,
            attached: BTreeMap::new(),
            if_ids: BTreeSet::new(),
        };
        for (name, ..) in TAPS {
            program::<SchedClassifier>(object, name)?
                .load()
                .map_err(|error| explain(error.into()))?;
        }
        Ok(taps)
    }

    /// Attaches to devices that have come, and forgets those that have gone. Returns the names of
    /// the new ones.
    pub fn follow(&mut self, object: &mut Ebpf, tenants: &Tenants) -> Result<Vec<(u32, String)>> {
        for gone in self.if_ids.difference(tenants.wanted()) {
            // It is gone already, at worst.
            let _ = self.wanted.remove(gone);
        }
        for new in tenants.wanted().difference(&self.if_ids) {
            self.wanted.insert(new, 0, 0)?;
        }
        self.if_ids.clone_from(tenants.wanted());

        let links = tenants.links();
        let devices = &mut self.devices;
        self.attached.retain(|index, (value, _)| {
            let stays = links.get(*index).and_then(value_of) == Some(*value);
            if !stays {
                let _ = devices.remove(index);
            }
            stays
        });
        let mut new = Vec::new();
        for link in links.iter() {
            let Some(value) = value_of(link) else {
                continue;
            };
            if self.attached.contains_key(&link.index) {
                continue;
            }
            self.devices.insert(link.index, value, 0)?;
            match attach(object, &link.name) {
                Ok(taps) => {
                    self.attached.insert(link.index, (value, taps));
                    new.push((link.index, link.name.clone()));
                }
                // It may have been deleted meanwhile; then it is not there the next time.
                Err(error) => {
                    let _ = self.devices.remove(&link.index);
                    if nix::net::if_::if_nametoindex(link.name.as_str()).is_ok() {
                        return Err(error);
                    }
                }
            }
        }
        Ok(new)
    }
}

/// What the programs have to know of a device; none if it is no XFRM interface.
fn value_of(link: &Link) -> Option<u64> {
    match link.kind {
        Kind::Static { if_id } => Some(STATIC | u64::from(if_id)),
        Kind::External => Some(0),
        _ => None,
    }
}

fn attach(object: &mut Ebpf, device: &str) -> Result<Vec<SchedClassifierLink>> {
    TAPS.iter()
        .map(|(name, direction, order)| {
            let program = program::<SchedClassifier>(object, name)?;
            let options = TcAttachOptions::TcxOrder(order());
            let link = program.attach_with_options(device, *direction, options)?;
            Ok(program.take_link(link)?)
        })
        .collect::<Result<_>>()
        .map_err(|error: anyhow::Error| {
            error.context(format!(
                "no BPF program can be attached to {device}: that takes Linux 6.6 or newer"
            ))
        })
}
