// SPDX-License-Identifier: GPL-2.0

//! Configurations that are right, and what is said of those that are not.

use super::*;

#[test]
fn all_words() {
    let text = "
        device ipsec0
        protocol 177
        unique_below 0x100
        interval 5
        tenant red { vrf red; if_id 0x10001, 256; pool 10.9.0.0/24, fd00:9::/64; connection red-* }
        tenant blue {
            vrf blue      # the same addresses
            pool 10.9.0.0/24
            connection blue, sky-*
        }
        tenant office { if_id 300 }
    ";
    let config = Config::new(text).unwrap();
    assert_eq!(config.device, "ipsec0");
    assert_eq!(config.protocol, 177);
    assert_eq!(config.unique_below, 256);
    assert_eq!(config.interval, Duration::from_secs(5));
    assert_eq!(config.tenants.len(), 3);
    assert_eq!(config.tenants[0].if_ids, [0x10001, 256]);
    assert_eq!(config.tenants[0].pool.len(), 2);
    assert_eq!(config.tenants[1].connections.len(), 2);
    assert_eq!(config.tenants[1].vrf.as_deref(), Some("blue"));
    assert_eq!(config.tenants[2].vrf, None);
}

#[test]
fn one_line() {
    let config =
        Config::new("device ipsec0\ntenant red { vrf red; if_id 0x10001; pool 10.9.0.0/24 }")
            .unwrap();
    assert_eq!(config.protocol, 176);
    assert_eq!(config.unique_below, 0x10000);
    assert_eq!(config.tenants[0].if_ids, [0x10001]);
}

fn wrong(text: &str) -> Vec<String> {
    let wrong = Config::new(text).unwrap_err();
    wrong
        .iter()
        .map(|one| format!("{}: {}", one.line, one.what))
        .collect()
}

#[test]
fn all_errors() {
    let text = "device ipsec0\ncolour red\ntenant red {\n vrf red; if_id 7\n taste sweet\n pool 10.9.0.1/24\n}\nprotocol 186";
    assert_eq!(
        wrong(text),
        [
            "2: unknown word 'colour': there are device, protocol, unique_below, interval, tenant",
            "4: if_id 7 is one that %unique can reach: take one of 0x10000 or above",
            "5: unknown word 'taste': there are vrf, if_id, pool, connection",
            "6: 10.9.0.1/24 has bits beyond its length: 10.9.0.0/24 is meant?",
            "8: protocol 186 is that of bgp: take another",
        ]
    );
}

#[test]
fn each_error() {
    for (text, expected) in [
        (
            "",
            "1: no 'device': which external device carries the connections?",
        ),
        ("device a\ndevice b", "2: 'device' again, after line 1"),
        ("device", "1: 'device' has one value"),
        ("device a b", "1: 'device' has one value"),
        (
            "device much-too-long-a-name",
            "1: 'much-too-long-a-name' is no name of a device",
        ),
        ("device a\nprotocol 256", "2: protocol 256: it has 8 bits"),
        ("device a\nprotocol x", "2: 'x' is no number of 32 bits"),
        ("device a\ninterval 0", "2: interval 0: it is in seconds"),
        ("device a\ntenant x {\nvrf x", "2: '{' is not closed"),
        (
            "device a\ntenant x { vrf x }",
            "2: tenant x has neither 'if_id' nor 'connection'",
        ),
        ("device a\ntenant x", "2: tenant x has no '{'"),
        (
            "device a\ntenant { if_id 65536 }",
            "2: 'tenant' is followed by one name",
        ),
        (
            "device a\ntenant x { if_id 0 }",
            "2: if_id 0 is no connection",
        ),
        ("device a\ntenant x { pool }", "2: 'pool' has no value"),
        (
            "device a\ntenant x { if_id 65536; pool 10.9.0.0/33 }",
            "2: '10.9.0.0/33' is no prefix",
        ),
        ("device a\ntenant x { vrf y { } }", "2: 'vrf' has no block"),
        (
            "unique_below 0x20000\ndevice a\ntenant x { if_id 0x10001 }",
            "3: if_id 65537 is one that %unique can reach: take one of 0x20000 or above",
        ),
    ] {
        assert!(
            wrong(text).contains(&expected.to_owned()),
            "{text}: {:?}",
            wrong(text)
        );
    }
}

#[test]
fn what_two_tenants_share() {
    let two = |red: &str, blue: &str| {
        Config::new(&format!(
            "device a\ntenant red {{ {red} }}\ntenant blue {{ {blue} }}"
        ))
        .map_err(|wrong| wrong[0].what.clone())
    };
    for (red, blue, expected) in [
        (
            "vrf r; if_id 65536",
            "vrf b; if_id 0x10000",
            Some("both have if_id 0x10000"),
        ),
        (
            "vrf r; connection rw-*",
            "vrf b; connection *-1",
            Some("both have connections"),
        ),
        (
            "vrf r; if_id 65536",
            "vrf r; if_id 65537",
            Some("share vrf r: each needs a pool"),
        ),
        (
            "if_id 65536; pool 10.0.0.0/8",
            "if_id 65537; pool 10.9.0.0/24",
            Some("share the main table, but 10.0.0.0/8 and 10.9.0.0/24 overlap"),
        ),
        (
            "vrf r; if_id 65536; pool 10.9.0.0/24",
            "vrf b; if_id 65537; pool 10.9.0.0/24",
            None,
        ),
        (
            "vrf r; if_id 65536; pool 10.9.0.0/24",
            "vrf r; if_id 65537; pool 10.9.1.0/24",
            None,
        ),
    ] {
        match expected {
            None => assert!(two(red, blue).is_ok()),
            Some(text) => assert!(two(red, blue).unwrap_err().contains(text), "{text}"),
        }
    }
    assert_eq!(
        wrong("device a\ntenant x { if_id 65536 }\ntenant x { if_id 65537 }"),
        ["3: tenant x again, after line 2"]
    );
}
