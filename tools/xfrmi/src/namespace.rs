// SPDX-License-Identifier: GPL-2.0

//! The network namespace that a command is about.

use std::{fs::File, path::PathBuf};

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns};

/// Where `ip netns` keeps namespaces.
const NAMED: &str = "/run/netns";

/// Enters a namespace for the rest of the process's life. To be called before there are threads.
pub fn enter(name: &str) -> Result<()> {
    let path = if name.contains('/') {
        PathBuf::from(name)
    } else {
        PathBuf::from(NAMED).join(name)
    };
    let file = File::open(&path).with_context(|| {
        format!(
            "no namespace '{name}': {}; 'ip netns' lists them",
            path.display()
        )
    })?;
    setns(&file, CloneFlags::CLONE_NEWNET)
        .with_context(|| format!("namespace '{name}' can't be entered"))
}
