// SPDX-License-Identifier: GPL-2.0

//! `xfrmi` operates IPsec gateways with XFRM interfaces.

mod agent;
mod bpf;
mod cli;
mod connections;
mod counters;
mod drops;
mod dump;
mod exporter;
mod ike;
mod links;
mod list;
mod live;
mod migrate;
mod namespace;
mod netlink;
mod output;
mod overhead;
mod packet;
mod routes;
mod switch;
mod tenants;
mod top;
mod why;
mod xfrm;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use cli::{Cli, Command};

fn run(cli: &Cli) -> Result<ExitCode> {
    if let Some(name) = &cli.global.netns {
        namespace::enter(name)?;
    }
    match &cli.command {
        Command::Agent(options) => agent::run(&cli.global, options),
        Command::List(options) => list::run(&cli.global, options),
        Command::Why(options) => why::run(&cli.global, options),
        Command::Migrate(options) => migrate::run(&cli.global, options),
        Command::Switch(options) => Err(switch::run(options)),
        Command::Top(options) => top::run(&cli.global, options),
        Command::Exporter(options) => exporter::run(&cli.global, options),
        Command::Drops(options) => drops::run(&cli.global, options),
        Command::Dump(options) => dump::run(&cli.global, options),
    }
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xfrmi: {error:#}");
            ExitCode::FAILURE
        }
    }
}
