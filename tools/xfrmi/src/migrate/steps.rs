// SPDX-License-Identifier: GPL-2.0

//! Changes that are all made, or none.

use anyhow::{Context, Result};
use netlink_packet_route::RouteNetlinkMessage;

use super::nexthops;
use crate::netlink::Netlink;

/// A request, and what of netlink's flags it needs.
#[derive(Clone)]
pub enum Change {
    Route(RouteNetlinkMessage, u16),
    Nexthop(nexthops::Request),
}

impl Change {
    fn make(&self, netlink: &mut Netlink) -> Result<()> {
        match self {
            Self::Route(message, flags) => netlink.request(message.clone(), *flags).map(drop),
            Self::Nexthop((message, flags)) => netlink.request(message.clone(), *flags).map(drop),
        }
    }
}

/// Changes that have been made, and how to undo each.
#[derive(Default)]
pub struct Steps {
    undo: Vec<(String, Change)>,
}

impl Steps {
    /// Makes a change.
    pub fn make(
        &mut self,
        netlink: &mut Netlink,
        what: impl Into<String>,
        change: &Change,
        undo: Change,
    ) -> Result<()> {
        let what = what.into();
        change.make(netlink).with_context(|| what.clone())?;
        self.undo.push((what, undo));
        Ok(())
    }

    /// Makes several, in their order.
    pub fn all(
        &mut self,
        netlink: &mut Netlink,
        what: &str,
        changes: Vec<(Change, Change)>,
    ) -> Result<()> {
        changes
            .into_iter()
            .try_for_each(|(change, undo)| self.make(netlink, what, &change, undo))
    }

    /// Makes a change that can't be undone: nothing may come after it.
    pub fn last(&mut self, netlink: &mut Netlink, what: String, change: &Change) -> Result<()> {
        change.make(netlink).context(what)
    }

    /// Undoes all, the last first. Returns what could not be undone.
    pub fn undo(self, netlink: &mut Netlink) -> Vec<String> {
        let mut failed = Vec::new();
        for (what, change) in self.undo.into_iter().rev() {
            if let Err(error) = change.make(netlink) {
                failed.push(format!("{what}: {error:#}"));
            }
        }
        failed
    }
}
