// SPDX-License-Identifier: GPL-2.0

//! Which device of a namespace an `if_id` belongs to.
//!
//! The table is written under RTNL and read under RCU. A device is in the table of its link
//! namespace from its registration on until it is unregistered, whether it is up or down: what
//! belongs to a device that is down goes to no other.
//!
//! C source: `xfrmi_lookup()`, `xfrmi_link()` and `xfrmi_unlink()` in
//! [`net/xfrm/xfrm_interface_core.c`](srctree/net/xfrm/xfrm_interface_core.c)

use super::interface::{
    Interface,
    Mode, //
};

use crate::net::{
    link::{
        Device,
        KeptDevice,
        LinkOps, //
    },
    net_namespace::Net,
    rcu::{
        RcuBox,
        Slot, //
    },
    rhashtable::{
        Entry,
        U32Table, //
    },
    rtnl::Rtnl, //
};

use kernel::{
    prelude::*,
    sync::rcu, //
};

/// The devices whose link namespace this is.
#[pin_data]
pub(crate) struct Interfaces {
    /// The static ones, by `if_id`.
    #[pin]
    by_if_id: U32Table<KeptDevice<Interface>>,
    /// The external one.
    external: Slot<KeptDevice<Interface>>,
}

impl Interfaces {
    /// Makes an empty table. Fails for lack of memory.
    pub(super) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            by_if_id <- U32Table::new(),
            external: Slot::new(),
        })
    }
}

/// The table of `net`. Fails with `ENODEV` if there is none, because the namespace or the module
/// goes.
fn interfaces<'a>(net: &'a Net, rtnl: &'a Rtnl) -> Result<&'a Interfaces> {
    let namespace = Interface::KIND.get().per_net_rtnl(net, rtnl);
    Ok(&namespace.ok_or(ENODEV)?.get_ref().interfaces)
}

/// The device of `net` that the connection `if_id` (host byte order) belongs to: the static one
/// with that `if_id`, else the external one. Connections without an `if_id` belong to none.
pub(super) fn owner<'g>(
    net: &Net,
    if_id: u32,
    rcu: &'g rcu::Guard,
) -> Option<&'g Device<Interface>> {
    if if_id == 0 {
        return None;
    }
    let interfaces = &Interface::KIND
        .get()
        .per_net(net, rcu)?
        .get_ref()
        .interfaces;
    interfaces
        .by_if_id
        .get(if_id, rcu)
        .or_else(|| interfaces.external.get(rcu))?
        .get(rcu)
}

/// Whether `net` has a static device with this `if_id`.
pub(super) fn is_taken(net: &Net, if_id: u32, rtnl: &Rtnl) -> bool {
    interfaces(net, rtnl)
        .is_ok_and(|interfaces| interfaces.by_if_id.get(if_id, &rcu::read_lock()).is_some())
}

/// Whether `net` has an external device.
pub(super) fn has_external(net: &Net, rtnl: &Rtnl) -> bool {
    interfaces(net, rtnl)
        .is_ok_and(|interfaces| interfaces.external.get(&rcu::read_lock()).is_some())
}

/// Adds a device that was registered. Fails with `ENOMEM`, or as [`add_key`] does.
pub(super) fn add(dev: &Device<Interface>, rtnl: &Rtnl) -> Result {
    match dev.data().mode() {
        Mode::Static(_) => add_key(dev, dev.data().if_id().unwrap_or(0), rtnl),
        Mode::External(_) => {
            let entry = RcuBox::new(KeptDevice::new(dev), GFP_KERNEL)?;
            interfaces(dev.link_net(), rtnl)?
                .external
                .replace(Some(entry), rtnl);
            Ok(())
        }
    }
}

/// Removes a device, if it is in the table.
pub(super) fn remove(dev: &Device<Interface>, rtnl: &Rtnl) {
    match dev.data().if_id() {
        Some(if_id) => remove_key(dev, if_id, rtnl),
        None => {
            let Ok(interfaces) = interfaces(dev.link_net(), rtnl) else {
                return;
            };
            // A device whose registration failed is not there; another one may be.
            let rcu = rcu::read_lock();
            let there = interfaces
                .external
                .get(&rcu)
                .is_some_and(|other| other.is(dev));
            drop(rcu);
            if there {
                interfaces.external.replace(None, rtnl);
            }
        }
    }
}

/// Adds a static device under `if_id` (host byte order). Fails with `EEXIST` if another device is
/// there, with `ENODEV` if the namespace goes, and for lack of memory.
pub(super) fn add_key(dev: &Device<Interface>, if_id: u32, rtnl: &Rtnl) -> Result {
    let entry = Entry::new(if_id, KeptDevice::new(dev), GFP_KERNEL)?;
    interfaces(dev.link_net(), rtnl)?.by_if_id.insert(entry)
}

/// Removes a static device from under `if_id` (host byte order), if it is there.
pub(super) fn remove_key(dev: &Device<Interface>, if_id: u32, rtnl: &Rtnl) {
    let Ok(interfaces) = interfaces(dev.link_net(), rtnl) else {
        return;
    };
    // A device whose registration failed is not there; another one may be.
    let rcu = rcu::read_lock();
    let there = interfaces
        .by_if_id
        .get(if_id, &rcu)
        .is_some_and(|other| other.is(dev));
    drop(rcu);
    if there {
        interfaces.by_if_id.remove(if_id);
    }
}
