// SPDX-License-Identifier: GPL-2.0

//! What leads from the routes that there are to those that there should be.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::desired::Target;

/// A route's table and destination.
pub type Key = (u32, IpNet);

/// What the kernel has of one with the agent's protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub key: Key,
    /// The connection, if it leads to one.
    pub if_id: Option<u32>,
    /// It is as the agent makes them: one hop, by its device, with the usual metric.
    pub proper: bool,
    /// A new one with the same key would be in its place, rather than beside it.
    pub replaceable: bool,
    /// Which one it is of those that were read.
    pub number: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Remove {
        key: Key,
        if_id: Option<u32>,
        number: usize,
    },
    Add {
        key: Key,
        target: Target,
    },
    /// Without a moment in which there is none.
    Replace {
        key: Key,
        target: Target,
        before: Option<u32>,
    },
}

/// The changes, in the order in which they are to be made. At no moment does an if_id lead from two
/// tenants, unless it did before.
pub fn diff(wanted: &BTreeMap<Key, Target>, found: &[Found]) -> Vec<Change> {
    let mut changes = Vec::new();
    // What there is at a moment; those that are right, or will be replaced.
    let mut there = BTreeMap::<Key, &Found>::new();
    for one in found {
        if wanted.contains_key(&one.key) && one.replaceable && !there.contains_key(&one.key) {
            there.insert(one.key, one);
        } else {
            changes.push(Change::Remove {
                key: one.key,
                if_id: one.if_id,
                number: one.number,
            });
        }
    }
    let is_right = |key: &Key, there: &BTreeMap<Key, &Found>| {
        there
            .get(key)
            .is_some_and(|one| one.proper && one.if_id == Some(wanted[key].if_id))
    };
    let mut due: Vec<Key> = wanted
        .keys()
        .copied()
        .filter(|key| !is_right(key, &there))
        .collect();
    // By if_id: where it leads to from, and will not any more.
    let mut leaving = BTreeMap::<u32, Vec<Key>>::new();
    for (key, if_id) in due
        .iter()
        .filter_map(|key| Some((*key, there.get(key)?.if_id?)))
    {
        leaving.entry(if_id).or_default().push(key);
    }
    while !due.is_empty() {
        let mut later = Vec::new();
        let before = due.len();
        for key in due {
            let target = &wanted[&key];
            let blocked = leaving.get(&target.if_id).is_some_and(|keys| {
                keys.iter()
                    .any(|other| *other != key && wanted[other].tenant != target.tenant)
            });
            if blocked {
                later.push(key);
                continue;
            }
            let target = target.clone();
            changes.push(match there.remove(&key) {
                None => Change::Add { key, target },
                Some(old) => {
                    leave(&mut leaving, old);
                    Change::Replace {
                        key,
                        target,
                        before: old.if_id,
                    }
                }
            });
        }
        due = later;
        if due.len() == before {
            // Tenants who swap if_ids: one of them has to do without its route for a moment.
            let Some(old) = due.iter().find_map(|key| there.remove(key)) else {
                break;
            };
            leave(&mut leaving, old);
            changes.push(Change::Remove {
                key: old.key,
                if_id: old.if_id,
                number: old.number,
            });
        }
    }
    changes
}

fn leave(leaving: &mut BTreeMap<u32, Vec<Key>>, old: &Found) {
    if let Some(keys) = old.if_id.and_then(|if_id| leaving.get_mut(&if_id)) {
        keys.retain(|key| *key != old.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(tenant: &str, if_id: u32) -> Target {
        Target {
            if_id,
            tenant: tenant.into(),
            connection: String::new(),
            peer: String::new(),
        }
    }

    fn key(table: u32, last: u8) -> Key {
        (table, IpNet::new([10, 9, 0, last].into(), 32).unwrap())
    }

    fn found(number: usize, key: Key, if_id: u32) -> Found {
        Found {
            key,
            if_id: Some(if_id),
            proper: true,
            replaceable: true,
            number,
        }
    }

    fn words(changes: &[Change]) -> Vec<String> {
        let word = |change: &Change| match change {
            Change::Remove { key, number, .. } => {
                format!("remove {}:{} ({number})", key.0, key.1.addr())
            }
            Change::Add { key, target } => {
                format!("add {}:{} {}", key.0, key.1.addr(), target.if_id)
            }
            Change::Replace { key, target, .. } => {
                format!("replace {}:{} {}", key.0, key.1.addr(), target.if_id)
            }
        };
        changes.iter().map(word).collect()
    }

    #[test]
    fn changes() {
        let wanted = BTreeMap::from([
            (key(1, 1), target("red", 1)),
            (key(1, 2), target("red", 2)),
            (key(1, 3), target("red", 3)),
            (key(1, 4), target("red", 4)),
        ]);
        let mut elsewhere = found(3, key(1, 4), 4);
        elsewhere.proper = false;
        let mut beside = found(4, key(1, 3), 3);
        beside.replaceable = false;
        let found = [
            found(0, key(1, 1), 1),
            found(1, key(1, 2), 9),
            found(2, key(2, 1), 5),
            elsewhere,
            beside,
        ];
        assert_eq!(
            words(&diff(&wanted, &found)),
            [
                "remove 2:10.9.0.1 (2)",
                "remove 1:10.9.0.3 (4)",
                "replace 1:10.9.0.2 2",
                "add 1:10.9.0.3 3",
                "replace 1:10.9.0.4 4"
            ]
        );
    }

    #[test]
    fn an_if_id_leaves_one_tenant_before_it_gets_to_another() {
        let wanted = BTreeMap::from([
            (key(1, 1), target("red", 1)),
            (key(2, 1), target("blue", 2)),
        ]);
        assert_eq!(
            words(&diff(
                &wanted,
                &[found(0, key(1, 1), 3), found(1, key(2, 1), 1)]
            )),
            ["replace 2:10.9.0.1 2", "replace 1:10.9.0.1 1"]
        );
    }

    #[test]
    fn tenants_swap() {
        let wanted = BTreeMap::from([
            (key(1, 1), target("red", 1)),
            (key(2, 1), target("blue", 2)),
        ]);
        assert_eq!(
            words(&diff(
                &wanted,
                &[found(0, key(1, 1), 2), found(1, key(2, 1), 1)]
            )),
            [
                "remove 1:10.9.0.1 (0)",
                "replace 2:10.9.0.1 2",
                "add 1:10.9.0.1 1"
            ]
        );
        // Within a tenant nobody has to do without.
        let wanted = BTreeMap::from([(key(1, 1), target("red", 1)), (key(1, 2), target("red", 2))]);
        assert_eq!(
            words(&diff(
                &wanted,
                &[found(0, key(1, 1), 2), found(1, key(1, 2), 1)]
            )),
            ["replace 1:10.9.0.1 1", "replace 1:10.9.0.2 2"]
        );
    }
}
