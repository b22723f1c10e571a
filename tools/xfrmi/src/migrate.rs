// SPDX-License-Identifier: GPL-2.0

//! `xfrmi migrate`: a tenant's routes, from a static device to an external one, or back.
//!
//! Its routes are put onto a nexthop object that leads where they did, one for each family. Then the
//! object is replaced, which takes all of them elsewhere at once. What comes in goes by the static
//! device for as long as that is up.

mod nexthops;
mod own_device;
mod requests;
mod steps;
mod work;

use std::process::ExitCode;

use crate::{
    cli::{Global, Migrate, Side},
    connections::{Connection, Snapshot},
    links::{Kind, Link},
    netlink::Netlink,
    output::{print, print_json},
    routes::Route,
};
use anyhow::{Context, Result, bail};
use nexthops::Target;
use steps::Steps;

/// The command.
pub fn run(global: &Global, options: &Migrate) -> Result<ExitCode> {
    let mut snapshot = Snapshot::load(&global.vici)?;
    let mut netlink = Netlink::route()?;
    let mut steps = Steps::default();
    let if_id = find(&snapshot, &options.tenant)?.if_id;
    if options.to == Side::Static && find(&snapshot, &options.tenant)?.devices.is_empty() {
        let name = options
            .name
            .clone()
            .unwrap_or_else(|| format!("ipsec{if_id}"));
        let connection = find(&snapshot, &options.tenant)?;
        let device = own_device::requests(&name, &connection);
        if let Err(error) = steps.all(&mut netlink, &name, device) {
            return Err(report(error, steps, &mut netlink));
        }
        snapshot = Snapshot::load(&global.vici)?;
    }
    let connections = snapshot.connections();
    let connection = connections
        .iter()
        .find(|one| one.if_id == if_id)
        .context("the connection has gone")?;
    let mut work = match Work::new(&snapshot, connection, options) {
        Ok(work) => Work { steps, ..work },
        Err(error) => return Err(report(error, steps, &mut netlink)),
    };
    let result = match options.to {
        Side::External => work.go_external(),
        Side::Static => work.go_static(),
    };
    let moved = work.moved.len();
    if let Err(error) = result {
        return Err(report(error, work.steps, &mut netlink));
    }
    if global.json {
        print_json(&serde_json::json!({
            "if_id": connection.if_id, "routes": moved, "device": work.goal.name,
        }))?;
    } else {
        print(&format!(
            "if_id {}: {moved} routes lead to {}\n",
            connection.if_id, work.goal.name
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The one connection that is called like that.
fn find<'a>(snapshot: &'a Snapshot, tenant: &str) -> Result<Connection<'a>> {
    let mut called: Vec<_> = snapshot
        .connections()
        .into_iter()
        .filter(|one| one.is_called(tenant, &snapshot.links))
        .collect();
    match (called.pop(), called.len()) {
        (Some(connection), 0) => Ok(connection),
        (None, _) => bail!("no connection is called '{tenant}': 'xfrmi list' lists all"),
        _ => bail!("'{tenant}' has several connections: name one by its if_id"),
    }
}

/// Undoes what was done, and says whether that has succeeded.
fn report(error: anyhow::Error, steps: Steps, netlink: &mut Netlink) -> anyhow::Error {
    let failed = steps.undo(netlink);
    let outcome = if failed.is_empty() {
        "all is as it was".into()
    } else {
        failed.join("; ")
    };
    error.context(format!("nothing is migrated, {outcome}"))
}

struct Work<'a> {
    netlink: Netlink,
    snapshot: &'a Snapshot,
    if_id: u32,
    own: &'a Link,
    /// The device that routes are to lead to.
    goal: &'a Link,
    from: Target,
    to: Target,
    steps: Steps,
    /// Where packets must be found to go, when all is done.
    moved: Vec<Route>,
}

impl<'a> Work<'a> {
    fn new(snapshot: &'a Snapshot, connection: &Connection<'a>, options: &Migrate) -> Result<Self> {
        let Some(own) = connection.devices.first().copied() else {
            bail!("if_id {} has no static device", connection.if_id);
        };
        let external = external_device(snapshot, options.device.as_deref())?;
        let mut netlink = Netlink::route()?;
        // Devices that were made by the same words are bound to the same device.
        let target = Target {
            device: external.index,
            connection: Some((connection.if_id, own.lower.filter(|link| *link != 0))),
        };
        let plain = Target {
            device: own.index,
            connection: None,
        };
        let (goal, from, to) = match options.to {
            Side::External => (external, plain, target),
            Side::Static => (own, target, plain),
        };
        if !external.up {
            bail!("{} is down", external.name);
        }
        nexthops::taken(&mut netlink).context("this kernel has no nexthop objects")?;
        Ok(Self {
            netlink,
            snapshot,
            if_id: connection.if_id,
            own,
            goal,
            from,
            to,
            steps: Steps::default(),
            moved: Vec::new(),
        })
    }
}

/// The external device that there is, or that was named.
fn external_device<'a>(snapshot: &'a Snapshot, name: Option<&str>) -> Result<&'a Link> {
    let external: Vec<_> = snapshot
        .links
        .iter()
        .filter(|link| link.kind == Kind::External)
        .collect();
    match (name, external.as_slice()) {
        (Some(name), all) => all
            .iter()
            .find(|link| link.name == name)
            .copied()
            .with_context(|| format!("'{name}' is no external device of this namespace")),
        (None, [only]) => Ok(only),
        (None, []) => {
            bail!("there is no external device: 'ip link add ipsec0 type xfrm external' makes one")
        }
        (None, _) => bail!("there are several external devices: name one with --device"),
    }
}
