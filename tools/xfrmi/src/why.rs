// SPDX-License-Identifier: GPL-2.0

//! `xfrmi why`: the way of a packet that nobody sends.

mod outside;
mod search;

use std::{net::IpAddr, process::ExitCode};

use anyhow::{Result, bail};
use serde::Serialize;

use crate::{
    cli::{Global, Why},
    connections::Snapshot,
    links::Kind,
    output::{print, print_json},
};
use search::Search;

const ENDS: u8 = 2;

/// What is found.
#[derive(Serialize, Default)]
struct Answer {
    to: Option<IpAddr>,
    from: Option<IpAddr>,
    vrf: Option<String>,
    if_id: Option<u32>,
    device: Option<String>,
    mtu: Option<u32>,
    steps: Vec<Step>,
    /// What is amiss on the way back.
    warnings: Vec<String>,
    /// Why the packet ends; nothing if it gets through.
    end: Option<String>,
}

#[derive(Serialize)]
struct Step {
    what: &'static str,
    is: String,
}

/// The command.
pub fn run(global: &Global, options: &Why) -> Result<ExitCode> {
    if options
        .from
        .is_some_and(|from| from.is_ipv4() != options.address.is_ipv4())
    {
        bail!("both addresses have to be of one family");
    }
    let snapshot = Snapshot::load(&global.vici)?;
    let vrf = match &options.vrf {
        None => None,
        Some(name) => match snapshot.links.by_name(name) {
            Some(link) if matches!(link.kind, Kind::Vrf { .. }) => Some(link),
            Some(_) => bail!("'{name}' is a device, but no VRF"),
            None => bail!("there is no VRF '{name}'; 'ip link show type vrf' lists them"),
        },
    };
    let mut search = Search::new(&snapshot, vrf, options.address, options.from)?;
    let end = search.follow();
    let answer = Answer {
        to: Some(options.address),
        from: search.from,
        vrf: options.vrf.clone(),
        end: end.err(),
        ..search.answer
    };
    if global.json {
        print_json(&answer)?;
    } else {
        print(&text(&answer))?;
    }
    Ok(ExitCode::from(if answer.end.is_some() { ENDS } else { 0 }))
}

fn text(answer: &Answer) -> String {
    let mut text = String::new();
    for step in &answer.steps {
        text += &format!("{:<11} {}\n", step.what, step.is);
    }
    for warning in &answer.warnings {
        text += &format!("{:<11} {warning}\n", "!");
    }
    text += &match &answer.end {
        Some(end) => format!("It ends here: {end}\n"),
        None => "It gets through the tunnel.\n".to_string(),
    };
    text
}
