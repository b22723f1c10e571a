// SPDX-License-Identifier: GPL-2.0

//! Why packets are dropped, in words.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{BufRead, BufReader},
};

use btf_rs::{Btf, Type};
use nix::errno::Errno;

use super::event::{Lookup, Why};
use crate::bpf;

/// A reason: a word for programs; for people what there is, and what that means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    pub code: String,
    pub what: String,
    pub meaning: &'static str,
    /// The function that has dropped the packet, where only that says something.
    pub location: Option<String>,
}

/// The causes of the Rust driver, as rust/datapath/trace.h numbers them.
const CAUSES: [&str; 14] = [
    "protocol",
    "malformed",
    "no_connection",
    "no_route",
    "no_state",
    "policy",
    "no_policy",
    "loop",
    "too_big",
    "memory",
    "down",
    "vrf_conflict",
    "vrf_down",
    "label",
];

const WORDS: [(&str, &str, &str); 23] = [
    ("protocol", "neither IPv4 nor IPv6", ""),
    (
        "malformed",
        "malformed packet",
        "it is shorter than its header says",
    ),
    (
        "no_connection",
        "no connection",
        "neither a route with 'encap xfrm' nor metadata names one",
    ),
    ("no_route", "no route", "to it, or to the tunnel's peer"),
    ("no_state", "no state", "the tunnel is not up"),
    ("policy", "refused by a policy", ""),
    ("no_policy", "no policy", ""),
    (
        "loop",
        "routing loop",
        "the encrypted packet would come back to the device",
    ),
    (
        "too_big",
        "packet too large",
        "it is larger than the path takes",
    ),
    ("memory", "no memory", ""),
    ("down", "device is down", ""),
    (
        "vrf_conflict",
        "several VRFs",
        "routes of each lead to the connection",
    ),
    ("vrf_down", "VRF is down", ""),
    (
        "label",
        "no security label",
        "a security module can't label it",
    ),
    // What the kernel says itself.
    ("netfilter_drop", "dropped by netfilter", ""),
    ("no_socket", "no socket", "nobody listens"),
    ("tc_ingress", "dropped by TC or BPF", ""),
    ("tc_egress", "dropped by TC or BPF", ""),
    ("qdisc_drop", "dropped by the qdisc", ""),
    (
        "ip_rpfilter",
        "reverse path filter",
        "the route back leads elsewhere",
    ),
    ("neigh_failed", "no neighbour", ""),
    ("ip_localnet", "address of the loopback", ""),
    (
        "other_if_id",
        "states of another connection",
        "the policy's states have another if_id",
    ),
];

/// Drop reasons of the kernel that are one of the causes.
const SAME: [(&str, &str); 9] = [
    ("UNHANDLED_PROTO", "protocol"),
    ("PKT_TOO_SMALL", "malformed"),
    ("TUNNEL_TXINFO", "no_connection"),
    ("IP_OUTNOROUTES", "no_route"),
    ("IP_INNOROUTES", "no_route"),
    ("XFRM_POLICY", "policy"),
    ("RECURSION_LIMIT", "loop"),
    ("PKT_TOO_BIG", "too_big"),
    ("NOMEM", "memory"),
];

/// Where the C driver drops what it can't send.
const TRANSMIT: &str = "xfrmi_xmit";

/// What the kernel calls things.
#[derive(Default)]
pub struct Reasons {
    drop_reasons: BTreeMap<u32, String>,
    functions: HashMap<u64, Option<String>>,
}

impl Reasons {
    pub fn load() -> Self {
        Self {
            drop_reasons: drop_reasons().unwrap_or_default(),
            functions: HashMap::new(),
        }
    }

    pub fn reason(&mut self, why: Why, is_known: bool) -> Reason {
        match why {
            Why::Cause(cause) => CAUSES.get(cause as usize).map_or_else(
                || Reason::unknown(&format!("cause_{cause}")),
                |code| Reason::new(code),
            ),
            Why::Kernel {
                reason,
                location,
                lookup,
            } => {
                let name = self.drop_reasons.get(&reason).map(String::as_str);
                match name {
                    Some("NOT_SPECIFIED") | None => {
                        let function = self.function(location);
                        of_function(function.as_deref(), lookup, is_known)
                    }
                    Some(name) => of_name(name),
                }
            }
        }
    }

    /// The function in which an address of the kernel's code is.
    fn function(&mut self, address: u64) -> Option<String> {
        let find = || {
            File::open("/proc/kallsyms")
                .ok()
                .and_then(|file| nearest(BufReader::new(file), address))
        };
        self.functions.entry(address).or_insert_with(find).clone()
    }
}

impl Reason {
    fn new(code: &str) -> Self {
        match WORDS.iter().find(|(word, ..)| *word == code) {
            Some((_, what, meaning)) => Self {
                code: code.into(),
                what: (*what).into(),
                meaning,
                location: None,
            },
            None => Self::unknown(code),
        }
    }

    fn unknown(code: &str) -> Self {
        Self {
            code: code.into(),
            what: code.replace('_', " "),
            meaning: "",
            location: None,
        }
    }
}

fn of_name(name: &str) -> Reason {
    match SAME.iter().find(|(kernel, _)| *kernel == name) {
        Some((_, code)) => Reason::new(code),
        None => Reason::new(&name.to_lowercase()),
    }
}

/// Where no reason is told, the C driver has looked something up before it gave up.
fn of_function(function: Option<&str>, lookup: Lookup, is_known: bool) -> Reason {
    if function.is_some_and(|name| name.starts_with(TRANSMIT)) {
        let code = match lookup {
            Lookup::None if is_known => "no_route",
            Lookup::None => "no_connection",
            Lookup::NoPolicy => "no_policy",
            Lookup::OtherIfId => "other_if_id",
            Lookup::Loop => "loop",
            Lookup::Found => "too_big",
            Lookup::Failed(code) => match Errno::from_raw(code) {
                Errno::EAGAIN | Errno::EREMOTE | Errno::ESRCH => "no_state",
                Errno::EPERM => "policy",
                Errno::ENOMEM | Errno::ENOBUFS => "memory",
                _ => "no_route",
            },
        };
        return Reason::new(code);
    }
    let what = function.map_or_else(|| "dropped".to_owned(), |name| format!("dropped in {name}"));
    Reason {
        code: "unknown".into(),
        what,
        meaning: "",
        location: function.map(str::to_owned),
    }
}

fn drop_reasons() -> Option<BTreeMap<u32, String>> {
    let types = Btf::from_bytes(&std::fs::read(bpf::TYPES).ok()?).ok()?;
    let mut found = BTreeMap::new();
    for one in types.resolve_types_by_name("skb_drop_reason").ok()? {
        let Type::Enum(one) = one else { continue };
        for member in &one.members {
            if let Ok(name) = types.resolve_name(member) {
                let name = name
                    .strip_prefix("SKB_DROP_REASON_")
                    .unwrap_or(&name)
                    .to_owned();
                // That of subsystems is a mask, and no reason.
                if name != "MAX" && !name.starts_with("SUBSYS") {
                    found.insert(member.val(), name);
                }
            }
        }
    }
    Some(found)
}

/// The function that begins at an address or last before it, of lines "address type name [module]".
fn nearest(symbols: impl BufRead, address: u64) -> Option<String> {
    let mut best = None::<(u64, String)>;
    for line in symbols.lines().map_while(Result::ok) {
        let mut words = line.split_ascii_whitespace();
        let (Some(start), Some(kind), Some(name)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        // All are zero for those who may not know them.
        let Some(start) = u64::from_str_radix(start, 16)
            .ok()
            .filter(|start| *start != 0)
        else {
            continue;
        };
        if !matches!(kind, "t" | "T" | "w" | "W") || start > address {
            continue;
        }
        if best.as_ref().is_none_or(|(found, _)| *found < start) {
            best = Some((start, name.to_owned()));
        }
    }
    best.map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_words() {
        for cause in CAUSES {
            assert!(WORDS.iter().any(|(code, ..)| *code == cause), "{cause}");
        }
        for (_, cause) in SAME {
            assert!(CAUSES.contains(&cause), "{cause}");
        }
        assert_eq!(
            Reasons::default().reason(Why::Cause(6), true).what,
            "no policy"
        );
        assert_eq!(
            Reasons::default().reason(Why::Cause(99), true).what,
            "cause 99"
        );
    }

    #[test]
    fn a_function_is_found_by_its_address() {
        let symbols =
            "0000 A nothing\n1000 T one\n2000 t two\t[module]\n2800 d data\n3000 T three\n";
        let find = |address| nearest(symbols.as_bytes(), address);
        assert_eq!(find(0x1fff).as_deref(), Some("one"));
        assert_eq!(find(0x2900).as_deref(), Some("two"));
        assert_eq!(find(0x10), None);
    }

    #[test]
    fn the_c_driver_is_understood() {
        let code = |lookup| of_function(Some("xfrmi_xmit"), lookup, true).code;
        assert_eq!(code(Lookup::NoPolicy), "no_policy");
        assert_eq!(code(Lookup::Failed(11)), "no_state");
        assert_eq!(
            of_function(Some("xfrmi_xmit"), Lookup::None, false).code,
            "no_connection"
        );
        assert_eq!(
            of_function(Some("ip_rcv"), Lookup::NoPolicy, true).what,
            "dropped in ip_rcv"
        );
        assert_eq!(of_name("XFRM_POLICY").code, "policy");
        assert_eq!(of_name("UDP_CSUM").what, "udp csum");
    }
}
