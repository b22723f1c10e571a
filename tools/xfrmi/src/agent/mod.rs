// SPDX-License-Identifier: GPL-2.0

//! `xfrmi agent`: the routes of IKE connections.
//!
//! The routes follow from two things alone: the CHILD_SAs that charon has ([`sas`]) and the
//! configuration ([`config`]). What they should be is worked out anew whenever one of them changes
//! ([`desired`]), compared with what the kernel has ([`diff`]), and changed ([`kernel`]). So it does not
//! matter how one has got there: by an event, at the start, after a time without charon, or because
//! somebody else has deleted a route.
//!
//! When charon goes, its routes go. What it has left in the kernel would still carry packets, but
//! `%unique` counts from 1 again when it comes back, so that an if_id may be another tenant's before
//! anybody has said that it is not the first one's any more. That charon does not answer is not enough
//! for this: as long as it has the socket open, it does not give if_ids away.

mod config;
mod daemon;
mod desired;
mod diff;
mod events;
mod kernel;
mod log;
#[cfg(test)]
mod model;
mod parse;
mod pattern;
mod sas;
mod vici;
mod watch;

use std::process::ExitCode;

use anyhow::{Result, bail};

use self::{config::Config, kernel::Kernel};
use crate::{
    cli::{Agent, Global},
    ike,
};

/// The exit code of `sysexits.h`: trying again does not help.
const EX_CONFIG: u8 = 78;

/// The command.
pub fn run(global: &Global, options: &Agent) -> Result<ExitCode> {
    let config = match Config::load(&options.config) {
        Ok(config) => config,
        Err(wrong) => {
            eprintln!("{wrong}");
            return Ok(ExitCode::from(EX_CONFIG));
        }
    };
    if options.check {
        return Ok(ExitCode::SUCCESS);
    }
    if options.flush {
        flush(&config)?;
        return Ok(ExitCode::SUCCESS);
    }
    ike::runtime()?.block_on(daemon::run(global, options, config))?;
    Ok(ExitCode::SUCCESS)
}

fn flush(config: &Config) -> Result<()> {
    let left = Kernel::new()?.flush(config)?;
    if left > 0 {
        bail!("{left} routes could not be removed");
    }
    Ok(())
}
