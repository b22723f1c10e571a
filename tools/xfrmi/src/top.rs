// SPDX-License-Identifier: GPL-2.0

//! `xfrmi top`: which tenants use the line.

use std::{
    io::{IsTerminal, stdout},
    process::ExitCode,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use serde::Serialize;

use crate::{
    cli::{Global, Top},
    connections::Snapshot,
    counters::{Counter, Counters},
    output::{print, print_json, scaled},
    xfrm::Direction,
};

/// To the upper left corner, and nothing below.
const CLEAR: &str = "\x1b[H\x1b[J";

#[derive(Serialize)]
struct Line {
    tenant: String,
    if_id: u32,
    out: Rate,
    r#in: Rate,
}

#[derive(Serialize, Clone, Copy)]
struct Rate {
    bytes_per_second: f64,
    packets_per_second: f64,
}

impl Rate {
    fn new(before: &Counter, after: &Counter, seconds: f64) -> Self {
        let per_second = |before, after: u64| after.saturating_sub(before) as f64 / seconds;
        Self {
            bytes_per_second: per_second(before.bytes, after.bytes),
            packets_per_second: per_second(before.packets, after.packets),
        }
    }
}

impl Line {
    fn total(&self) -> f64 {
        self.out.bytes_per_second + self.r#in.bytes_per_second
    }
}

/// The command.
pub fn run(global: &Global, options: &Top) -> Result<ExitCode> {
    if !(0.1..=3600.0).contains(&options.interval) {
        bail!("an interval is of 0.1 to 3600 seconds");
    }
    let live = stdout().is_terminal() && !global.json;
    let mut counters = Counters::default();
    counters.update(&Snapshot::load(&global.vici)?);
    let (mut before, mut at) = (counters.clone(), Instant::now());
    let mut shown = 0;
    while options.count.is_none_or(|count| shown < count) {
        sleep(Duration::from_secs_f64(options.interval));
        let snapshot = Snapshot::load(&global.vici)?;
        counters.update(&snapshot);
        let seconds = at.elapsed().as_secs_f64();
        at = Instant::now();
        let mut lines = lines(&snapshot, options, &before, &counters, seconds);
        before = counters.clone();
        lines.sort_by(|one, other| other.total().total_cmp(&one.total()));
        lines.truncate(options.lines);
        if global.json {
            print_json(&lines)?;
        } else {
            print(&text(&lines, live))?;
        }
        shown += 1;
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(
    snapshot: &Snapshot,
    options: &Top,
    before: &Counters,
    after: &Counters,
    seconds: f64,
) -> Vec<Line> {
    snapshot
        .connections()
        .iter()
        .filter(|one| {
            options.tenants.is_empty()
                || options
                    .tenants
                    .iter()
                    .any(|word| one.is_called(word, &snapshot.links))
        })
        .map(|one| {
            let rate = |direction| {
                let counters = [before, after].map(|from| from.get(one.if_id, direction));
                Rate::new(&counters[0], &counters[1], seconds)
            };
            Line {
                tenant: one.tenant(&snapshot.links),
                if_id: one.if_id,
                out: rate(Direction::Out),
                r#in: rate(Direction::In),
            }
        })
        .collect()
}

fn text(lines: &[Line], live: bool) -> String {
    let mut text = if live {
        CLEAR.to_string()
    } else {
        String::new()
    };
    text += &format!(
        "{:<20} {:>10}  {:>11} {:>9}  {:>11} {:>9}\n",
        "tenant", "if_id", "out", "packets", "in", "packets"
    );
    for line in lines {
        text += &format!("{:<20} {:>10}", line.tenant, line.if_id);
        for rate in [line.out, line.r#in] {
            text += &format!(
                "  {:>11} {:>9}",
                scaled(rate.bytes_per_second * 8.0, "bit/s"),
                scaled(rate.packets_per_second, "/s")
            );
        }
        text.push('\n');
    }
    text
}
