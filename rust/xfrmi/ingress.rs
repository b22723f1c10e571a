// SPDX-License-Identifier: GPL-2.0

//! What may happen to a packet of a device before the stack asks the policies about it.
//!
//! TC, BPF, netfilter, XDP and Open vSwitch see packets that come in by a device before that. They
//! may redirect one to where nobody knows any more which states it came through, so that nobody
//! asks. So where they are there, the policies are asked first. What they allow of the packet then
//! depends on no route: it has to be allowed as one for this host, or as one that is forwarded.
//!
//! An administrator can switch that off with the private flag `check-before-ingress`, for programs
//! that make packets into what policies allow.
//!
//! In softirq context, under RCU.

use super::interface::Interface;

use crate::net::{
    link::Device,
    skb::SkBuff,
    xfrm::{
        self,
        State, //
    }, //
};

use kernel::{
    prelude::*,
    sync::{
        atomic::Relaxed,
        rcu, //
    }, //
};

/// Checks a packet that has come out of a tunnel, in by `dev`, if somebody may take it away before
/// the stack does. Fails with `EPERM` if the policies refuse it.
///
/// In transport mode the header does not yet say which protocol follows, which policies may ask for.
#[inline]
pub(super) fn check(skb: &mut SkBuff, dev: &Device<Interface>, rcu: &rcu::Guard) -> Result {
    if dev.has_ingress_hooks(rcu) && dev.data().check_before_ingress.load(Relaxed) {
        check_now(skb, dev, rcu)
    } else {
        Ok(())
    }
}

/// As [`check`], where that is so.
#[cold]
fn check_now(skb: &mut SkBuff, dev: &Device<Interface>, rcu: &rcu::Guard) -> Result {
    let Some(family) = skb.family() else {
        return Ok(());
    };
    // The last check sees what the packet went through before and after it enters another state;
    // and which packet an error is about.
    let last = skb.last_state();
    if last.is_some_and(State::lets_icmp_in) && skb.is_icmp(family)
        || xfrm::next_state(skb, rcu).is_some()
    {
        return Ok(());
    }
    // The control block and the route are still those of the packet outside.
    skb.clear_ip_control_block(family);
    skb.drop_dst();
    if xfrm::check_any(dev.link_net(), skb, family) {
        Ok(())
    } else {
        Err(EPERM)
    }
}
