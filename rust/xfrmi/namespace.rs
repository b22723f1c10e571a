// SPDX-License-Identifier: GPL-2.0

//! What the driver keeps for each network namespace.
//!
//! Namespaces come and go in process context. What is kept is read under RCU or RTNL.

use super::{
    changes::Changes,
    remembered,
    table::Interfaces,
    wait, //
};

use crate::net::{
    link::NamespaceOps,
    net_namespace::Net, //
};

use kernel::prelude::*;

/// What belongs to the devices whose link namespace this is.
#[pin_data]
pub(crate) struct Namespace {
    /// Which device an `if_id` belongs to.
    #[pin]
    pub(super) interfaces: Interfaces,
    /// What has changed that look-ups depend on.
    #[pin]
    pub(super) changes: Changes,
}

impl NamespaceOps for Namespace {
    fn init() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            interfaces <- Interfaces::new(),
            changes <- Changes::new(),
        })
    }

    fn exit(net: &Net) {
        remembered::forget(net);
        wait::look();
    }

    fn leave(&self, net: &Net) {
        self.changes.leave(net);
    }
}
