// SPDX-License-Identifier: GPL-2.0

//! `xfrmi switch`: the command that changes drivers, which comes with the driver's package.

use std::{os::unix::process::CommandExt, process::Command};

use crate::cli::Switch;

/// Becomes that command; returns why it can't.
pub fn run(options: &Switch) -> anyhow::Error {
    let error = Command::new("xfrm-interface-switch")
        .args(&options.arguments)
        .exec();
    anyhow::Error::new(error).context(
        "xfrm-interface-switch can't be run; it comes with the package xfrm-interface-rust",
    )
}
