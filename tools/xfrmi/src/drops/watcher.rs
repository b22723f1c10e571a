// SPDX-License-Identifier: GPL-2.0

//! Drops for those who only count them. They are what the kernel's tracepoint tells of both drivers;
//! that of the Rust driver would keep its module from being unloaded for as long.

use anyhow::Result;

use super::{OBJECT, event::Event, follow_lookups, reasons::Reasons, tracepoint};
use crate::bpf::{self, Programs};

pub struct Watcher {
    programs: Programs,
    reasons: Reasons,
}

/// One packet.
pub struct Dropped {
    pub ifindex: u32,
    pub if_id: Option<u32>,
    pub is_out: bool,
    pub reason: String,
}

impl Watcher {
    /// From now on, in the namespace we are in.
    pub fn new() -> Result<Self> {
        let mut programs = Programs::new(OBJECT, &[bpf::namespace()?])?;
        tracepoint(&mut programs.object, "kernel", "kfree_skb")?;
        // Without it, the C driver's drops have no other reason than where they are.
        let _ = follow_lookups(&mut programs.object);
        Ok(Self {
            programs,
            reasons: Reasons::load(),
        })
    }

    /// What was dropped since this was asked the last time, and how many packets more.
    pub fn take(&mut self) -> (Vec<Dropped>, u64) {
        let mut found = Vec::new();
        while let Some(bytes) = self.programs.ring.next() {
            if let Some(event) = Event::parse(&bytes) {
                found.push(Dropped {
                    ifindex: event.ifindex,
                    if_id: event.if_id,
                    is_out: event.is_out,
                    reason: self.reasons.reason(event.why, event.if_id.is_some()).code,
                });
            }
        }
        (found, self.programs.lost())
    }
}
