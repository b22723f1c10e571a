// SPDX-License-Identifier: GPL-2.0

//! What charon's events say. They have the sections of `list-sas`, each with the part that is concerned.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use anyhow::Result;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};

use crate::ike::{ChildSa, IkeSa};

/// What the agent asks charon to tell.
pub const EVENTS: [&str; 5] = [
    "child-updown",
    "child-rekey",
    "ike-updown",
    "ike-rekey",
    LISTED,
];
/// What `list-sas` finds.
pub const LISTED: &str = "list-sa";

/// The part of an event that concerns the agent.
#[derive(Debug, Clone)]
pub enum Event {
    /// CHILD_SAs that `list-sas` has found.
    Listed(String, IkeSa),
    Up(String, IkeSa),
    Down(IkeSa),
    /// A CHILD_SA in place of another.
    ChildRekeyed {
        name: String,
        ike: IkeSa,
        old: u64,
        new: ChildSa,
    },
    IkeDown(IkeSa),
    /// An IKE_SA in place of another, from which it has inherited all CHILD_SAs.
    IkeRekeyed {
        old: u64,
        new: u64,
    },
}

/// What a message of an event contains, if it is one of those above.
pub fn decode(event: &str, message: &[u8]) -> Result<Vec<Event>> {
    let mut found = Vec::new();
    match event {
        LISTED => {
            for (name, ike) in decoded::<IkeSa>(message)?.sections {
                found.push(Event::Listed(name, ike));
            }
        }
        "child-updown" => {
            let Message { up, sections } = decoded::<IkeSa>(message)?;
            for (name, ike) in sections {
                found.push(if up {
                    Event::Up(name, ike)
                } else {
                    Event::Down(ike)
                });
            }
        }
        "ike-updown" => {
            let Message { up, sections } = decoded::<IkeSa>(message)?;
            found.extend(sections.into_values().filter(|_| !up).map(Event::IkeDown));
        }
        "child-rekey" => {
            for (name, ike) in decoded::<Rekeyed>(message)?.sections {
                for (_, Pair { old, new }) in ike.child_sas {
                    let sa = IkeSa {
                        uniqueid: ike.uniqueid.clone(),
                        remote_id: ike.remote_id.clone(),
                        remote_eap_id: ike.remote_eap_id.clone(),
                        child_sas: BTreeMap::new(),
                    };
                    let old = old.uniqueid.parse()?;
                    found.push(Event::ChildRekeyed {
                        name: name.clone(),
                        ike: sa,
                        old,
                        new,
                    });
                }
            }
        }
        "ike-rekey" => {
            for Pair { old, new } in decoded::<Pair<Id>>(message)?.sections.into_values() {
                let (old, new) = (old.uniqueid.parse()?, new.uniqueid.parse()?);
                found.push(Event::IkeRekeyed { old, new });
            }
        }
        _ => {}
    }
    Ok(found)
}

fn decoded<S: DeserializeOwned>(message: &[u8]) -> Result<Message<S>> {
    Ok(serde_vici::from_slice(message)?)
}

/// An event: perhaps `up`, and a section that is called like the connection.
struct Message<S> {
    up: bool,
    sections: BTreeMap<String, S>,
}

impl<'de, S: Deserialize<'de>> Deserialize<'de> for Message<S> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(MessageVisitor(PhantomData))
    }
}

struct MessageVisitor<S>(PhantomData<S>);

impl<'de, S: Deserialize<'de>> Visitor<'de> for MessageVisitor<S> {
    type Value = Message<S>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event of charon's")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut message = Message {
            up: false,
            sections: BTreeMap::new(),
        };
        while let Some(key) = map.next_key::<String>()? {
            if key == "up" {
                message.up = map.next_value::<String>()? == "yes";
            } else {
                message.sections.insert(key, map.next_value()?);
            }
        }
        Ok(message)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Rekeyed {
    uniqueid: String,
    #[serde(default)]
    remote_id: String,
    #[serde(default)]
    remote_eap_id: String,
    child_sas: BTreeMap<String, Pair<ChildSa>>,
}

#[derive(Deserialize)]
struct Pair<T> {
    old: T,
    new: T,
}

#[derive(Deserialize)]
struct Id {
    uniqueid: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section, in vici's encoding.
    fn section(name: &str, inside: &[u8]) -> Vec<u8> {
        [&[1, name.len() as u8], name.as_bytes(), inside, &[2]].concat()
    }

    fn value(name: &str, value: &str) -> Vec<u8> {
        [
            &[3, name.len() as u8],
            name.as_bytes(),
            &[0, value.len() as u8],
            value.as_bytes(),
        ]
        .concat()
    }

    fn list(name: &str, item: &str) -> Vec<u8> {
        [
            &[4, name.len() as u8],
            name.as_bytes(),
            &[5, 0, item.len() as u8],
            item.as_bytes(),
            &[6],
        ]
        .concat()
    }

    fn child(id: &str, if_id: &str) -> Vec<u8> {
        [
            value("name", "rw"),
            value("uniqueid", id),
            value("reqid", "1"),
            value("state", "INSTALLED"),
            value("if-id-out", if_id),
            list("remote-ts", "10.9.0.1/32"),
        ]
        .concat()
    }

    fn ike(id: &str, children: &[u8]) -> Vec<u8> {
        [
            value("uniqueid", id),
            value("version", "2"),
            value("state", "ESTABLISHED"),
            value("remote-id", "carol"),
            list("remote-vips", "10.9.0.1"),
            section("child-sas", children),
        ]
        .concat()
    }

    #[test]
    fn up_and_down() {
        let sa = section("red", &ike("7", &section("rw-9", &child("9", "000000ff"))));
        match &decode("child-updown", &[value("up", "yes"), sa.clone()].concat()).unwrap()[..] {
            [Event::Up(name, ike)] => {
                assert_eq!(name, "red");
                assert_eq!(ike.remote_id, "carol");
                assert_eq!(ike.child_sas["rw-9"].if_id_out, 255);
                assert_eq!(ike.child_sas["rw-9"].remote_ts, ["10.9.0.1/32"]);
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(
            decode("child-updown", &sa).unwrap()[..],
            [Event::Down(_)]
        ));
        assert!(matches!(
            decode("ike-updown", &sa).unwrap()[..],
            [Event::IkeDown(_)]
        ));
        assert!(
            decode("ike-updown", &[value("up", "yes"), sa.clone()].concat())
                .unwrap()
                .is_empty()
        );
        assert!(matches!(
            decode(LISTED, &sa).unwrap()[..],
            [Event::Listed(..)]
        ));
        assert!(decode(LISTED, &sa[..20]).is_err());
    }

    #[test]
    fn rekeys() {
        let pair = [
            section("old", &child("9", "1")),
            section("new", &child("10", "2")),
        ]
        .concat();
        let message = section("red", &ike("7", &section("rw", &pair)));
        match &decode("child-rekey", &message).unwrap()[..] {
            [Event::ChildRekeyed { old: 9, new, .. }] => {
                assert_eq!((new.uniqueid.as_str(), new.if_id_out), ("10", 2))
            }
            other => panic!("{other:?}"),
        }
        let pair = [
            section("old", &value("uniqueid", "7")),
            section("new", &value("uniqueid", "8")),
        ]
        .concat();
        let events = decode("ike-rekey", &section("red", &pair)).unwrap();
        assert!(matches!(events[..], [Event::IkeRekeyed { old: 7, new: 8 }]));
    }
}
