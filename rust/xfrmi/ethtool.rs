// SPDX-License-Identifier: GPL-2.0

//! What `ethtool` shows and changes of an XFRM interface.
//!
//! In process context, with RTNL held. The C driver has nothing of it.

use super::{
    interface::{
        Interface,
        Mode, //
    },
    stats::{
        NAMES,
        SHOWN,
        STATIC, //
    },
    vrf_by_route, //
};

use crate::net::{
    link::{
        Device,
        EthtoolOps, //
    },
    rtnl::Rtnl, //
};

use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};

/// Policies are asked before those who may take a packet away: a bit of the private flags.
const CHECK_BEFORE_INGRESS: u32 = 1 << 0;

/// Packets of routes with an encapsulation go past the queue.
const SKIP_QUEUE: u32 = 1 << 1;

/// Packets come in by the VRFs of their connections. Static devices have no such bit.
const VRF_BY_ROUTE: u32 = 1 << 2;

impl EthtoolOps for Interface {
    fn statistics(dev: &Device<Self>) -> &'static [&'static CStr] {
        let count = match dev.data().mode() {
            Mode::Static(_) => STATIC,
            Mode::External(_) => NAMES.len(),
        };
        NAMES.get(..count).unwrap_or_default()
    }

    fn statistic(dev: &Device<Self>, index: usize) -> u64 {
        let (received, sent) = dev.packets();
        SHOWN
            .get(index)
            .map_or(0, |shown| dev.data().stats.get(*shown, received, sent))
    }

    fn private_flags(dev: &Device<Self>) -> &'static [&'static CStr] {
        match vrf_by_route::is_on(dev) {
            Some(_) => &[c"check-before-ingress", c"skip-queue", c"vrf-by-route"],
            None => &[c"check-before-ingress", c"skip-queue"],
        }
    }

    fn get_private_flags(dev: &Device<Self>, _rtnl: &Rtnl) -> u32 {
        let mut flags = 0;
        if dev.data().check_before_ingress.load(Relaxed) {
            flags |= CHECK_BEFORE_INGRESS;
        }
        if dev.data().skip_queue.load(Relaxed) {
            flags |= SKIP_QUEUE;
        }
        if vrf_by_route::is_on(dev) == Some(true) {
            flags |= VRF_BY_ROUTE;
        }
        flags
    }

    fn set_private_flags(dev: &Device<Self>, flags: u32, rtnl: &Rtnl) -> Result {
        if flags & !(CHECK_BEFORE_INGRESS | VRF_BY_ROUTE | SKIP_QUEUE) != 0 {
            return Err(EINVAL);
        }
        let on = flags & VRF_BY_ROUTE != 0;
        if on || vrf_by_route::is_on(dev).is_some() {
            vrf_by_route::switch(dev, on, rtnl)?;
        }
        let interface = dev.data();
        let is_set = |flag| flags & flag != 0;
        interface
            .check_before_ingress
            .store(is_set(CHECK_BEFORE_INGRESS), Relaxed);
        interface.skip_queue.store(is_set(SKIP_QUEUE), Relaxed);
        Ok(())
    }
}
