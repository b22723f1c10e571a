// SPDX-License-Identifier: GPL-2.0

//! `xfrmi drops`: which packets XFRM interfaces drop, and why, as it happens.

mod event;
mod merge;
mod reasons;
pub mod watcher;

use std::{
    fs,
    net::IpAddr,
    os::fd::AsFd,
    process::ExitCode,
    time::{Duration, Instant, SystemTime},
};

use anyhow::Result;
use aya::{
    Ebpf,
    programs::{FExit, RawTracePoint},
};
use serde::Serialize;

use crate::{
    bpf::{self, Programs, explain, program},
    cli::{Drops, Global},
    live::Live,
    output::{print, print_json},
    packet::Flow,
    tenants::Tenants,
};
use event::{Event, Why};
use merge::{Merged, Merger};
use reasons::{Reason, Reasons};

const OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/drops.bpf.o"));

/// How long to wait for events when there is nothing else to do.
const PATIENCE: Duration = Duration::from_secs(1);

/// What makes drops equal. For people ports make no difference.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    device: String,
    if_id: Option<u32>,
    is_out: bool,
    why: Why,
    flow: Option<Flow>,
}

/// As programs get it.
#[derive(Serialize)]
struct Line<'a> {
    /// In seconds since 1970, of the first packet.
    time: f64,
    device: &'a str,
    if_id: Option<u32>,
    tenant: &'a str,
    direction: &'static str,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'a str>,
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    protocol: Option<u8>,
    sport: Option<u16>,
    dport: Option<u16>,
    packets: u64,
}

struct Watch<'a> {
    global: &'a Global,
    tenants: Tenants,
    reasons: Reasons,
    merger: Merger<Kind>,
    /// How many lines are still to be printed, if that is limited.
    left: Option<u64>,
}

pub fn run(global: &Global, options: &Drops) -> Result<ExitCode> {
    let mut live = Live::new()?;
    let mut programs = Programs::new(OBJECT, &[bpf::namespace()?])?;
    let tenants = Tenants::load(&global.vici, &options.tenants)?;
    attach(&mut programs)?;
    let mut watch = Watch {
        global,
        tenants,
        reasons: Reasons::load(),
        merger: Merger::new(),
        left: options.end.count,
    };
    live.limit(options.end.timeout);
    eprintln!("xfrmi: listening");
    loop {
        let patience = watch.merger.next().map_or(PATIENCE, |next| {
            next.saturating_duration_since(Instant::now())
        });
        let more = live.wait(programs.ring.as_fd(), patience)?;
        watch.collect(&mut programs);
        let lines = if more {
            watch.merger.due(Instant::now())
        } else {
            watch.merger.rest()
        };
        if !watch.print(&lines)? || !more {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// To the kernel's tracepoint, and to what says more of the reasons of each driver.
fn attach(programs: &mut Programs) -> Result<()> {
    let object = &mut programs.object;
    let is_rust = has_tracepoint();
    if is_rust {
        tracepoint(object, "cause", "drop")?;
    }
    tracepoint(object, "kernel", "kfree_skb")?;
    if !is_rust {
        // Without it, the C driver's drops have no other reason than where they are.
        if let Err(error) = follow_lookups(object) {
            eprintln!("xfrmi: the C driver's reasons are not told: {error}");
        }
    }
    Ok(())
}

fn tracepoint(object: &mut Ebpf, name: &str, at: &str) -> Result<()> {
    let program = program::<RawTracePoint>(object, name)?;
    let attached = program.load().and_then(|()| program.attach(at));
    attached.map(drop).map_err(|error| explain(error.into()))
}

fn follow_lookups(object: &mut Ebpf) -> Result<()> {
    let lookup = program::<FExit>(object, "lookup")?;
    lookup.load("xfrm_lookup_with_ifid", &aya::Btf::from_sys_fs()?)?;
    lookup.attach()?;
    Ok(())
}

/// Whether the driver has `xfrm_interface:drop`. In namespaces of `ip netns` there is no tracefs to
/// look into.
fn has_tracepoint() -> bool {
    fs::exists("/sys/kernel/tracing/events/xfrm_interface/drop").unwrap_or(false)
        || fs::read_to_string("/proc/kallsyms").is_ok_and(|symbols| {
            symbols.lines().any(|line| {
                let mut words = line.split_ascii_whitespace().skip(2);
                words.next() == Some("__traceiter_drop")
                    && words
                        .next()
                        .is_none_or(|module| module.starts_with("[xfrm_interface"))
            })
        })
}

impl Watch<'_> {
    fn collect(&mut self, programs: &mut Programs) {
        let mut odd = 0;
        while let Some(bytes) = programs.ring.next() {
            match Event::parse(&bytes) {
                Some(event) => self.add(event),
                None => odd += 1,
            }
        }
        if odd > 0 {
            eprintln!("xfrmi: {odd} events have an unknown form");
        }
        match programs.lost() {
            0 => {}
            lost => eprintln!("xfrmi: {lost} more packets were dropped than could be told of"),
        }
    }

    fn add(&mut self, event: Event) {
        let is_new =
            self.tenants.links().get(event.ifindex).is_none() || !self.tenants.knows(event.if_id);
        if is_new {
            self.tenants.refresh();
        }
        // The connection of a static device is the device's, whatever the packet brings.
        let if_id = self.tenants.if_id_of(event.ifindex).or(event.if_id);
        if !self.tenants.wants(if_id) {
            return;
        }
        let mut flow = event.flow;
        // What people are not shown makes no difference.
        if !self.global.json
            && let Some(flow) = &mut flow
        {
            flow.ports = None;
            flow.protocol = 0;
        }
        let kind = Kind {
            device: event.device,
            if_id,
            is_out: event.is_out,
            why: event.why,
            flow,
        };
        self.merger.add(kind, event.time, Instant::now());
    }

    /// Whether more is to be printed.
    fn print(&mut self, lines: &[Merged<Kind>]) -> Result<bool> {
        if !lines.is_empty() {
            self.tenants.refresh();
        }
        for line in lines {
            if self.left == Some(0) {
                break;
            }
            let kind = &line.what;
            let reason = self.reasons.reason(kind.why, kind.if_id.is_some());
            let tenant = self.tenants.name(kind.if_id, &kind.device);
            if self.global.json {
                print_json(&json(line, tenant, &reason))?;
            } else {
                print(&text(line, tenant, &reason))?;
            }
            self.left = self.left.map(|left| left - 1);
        }
        Ok(self.left != Some(0))
    }
}

fn json<'a>(line: &'a Merged<Kind>, tenant: &'a str, reason: &'a Reason) -> Line<'a> {
    let kind = &line.what;
    let flow = kind.flow.as_ref();
    let ports = flow.and_then(|flow| flow.ports);
    Line {
        time: line
            .time
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0.0, |time| time.as_secs_f64()),
        device: &kind.device,
        if_id: kind.if_id,
        tenant,
        direction: if kind.is_out { "out" } else { "in" },
        reason: &reason.code,
        location: reason.location.as_deref(),
        source: flow.map(|flow| flow.source),
        destination: flow.map(|flow| flow.destination),
        protocol: flow.map(|flow| flow.protocol),
        sport: ports.map(|ports| ports.0),
        dport: ports.map(|ports| ports.1),
        packets: line.packets,
    }
}

/// As in `red (if_id 7): no policy for 10.2.0.10, 3 packets`.
fn text(line: &Merged<Kind>, tenant: &str, reason: &Reason) -> String {
    let kind = &line.what;
    let mut text = tenant.to_owned();
    if let Some(if_id) = kind.if_id {
        text += &format!(" (if_id {if_id})");
    }
    text += &format!(": {}", reason.what);
    match &kind.flow {
        Some(flow) if kind.is_out => text += &format!(" for {}", flow.destination),
        Some(flow) => text += &format!(", received from {} for {}", flow.source, flow.destination),
        None if !kind.is_out => text += ", received",
        None => {}
    }
    if !reason.meaning.is_empty() {
        text += &format!(" ({})", reason.meaning);
    }
    let plural = if line.packets == 1 { "" } else { "s" };
    text + &format!(", {} packet{plural}\n", line.packets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(is_out: bool, why: Why, packets: u64) -> Merged<Kind> {
        let flow = Flow {
            source: [10, 1, 0, 1].into(),
            destination: [10, 2, 0, 10].into(),
            protocol: 6,
            ports: None,
        };
        let kind = Kind {
            device: "ipsec".into(),
            if_id: Some(7),
            is_out,
            why,
            flow: Some(flow),
        };
        Merged {
            what: kind,
            packets,
            time: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn lines_are_for_people() {
        let text = |line: Merged<Kind>| {
            let reason = Reasons::default().reason(line.what.why, true);
            super::text(&line, "red", &reason)
        };
        assert_eq!(
            text(line(true, Why::Cause(6), 3)),
            "red (if_id 7): no policy for 10.2.0.10, 3 packets\n"
        );
        assert_eq!(
            text(line(true, Why::Cause(4), 1)),
            "red (if_id 7): no state for 10.2.0.10 (the tunnel is not up), 1 packet\n"
        );
        assert_eq!(
            text(line(false, Why::Cause(5), 2)),
            "red (if_id 7): refused by a policy, received from 10.1.0.1 for 10.2.0.10, 2 packets\n"
        );
    }
}
