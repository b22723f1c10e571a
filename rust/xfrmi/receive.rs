// SPDX-License-Identifier: GPL-2.0

//! Packets on their way in: which device they came in by, and which connection they belong to.
//!
//! [`Input`] is the handler for all protocols of IPsec. It is called with softirqs disabled, under
//! RCU, when the last state of a packet is done with it. Where the packet belongs to a device, it
//! makes it one that came in by that device: `xfrm_input()` then has the stack receive it.
//!
//! C source: `xfrmi_rcv_cb()` and `xfrmi_input()` in
//! [`net/xfrm/xfrm_interface_core.c`](srctree/net/xfrm/xfrm_interface_core.c)

use super::{
    errors,
    ingress,
    interface::{
        Interface,
        Mode, //
    },
    remembered,
    stats::Cause,
    table, //
};

use crate::{
    compat::code::enetdown,
    net::{
        link::Device,
        netdevice::Counter,
        skb::SkBuff,
        xfrm::{
            self,
            Handler,
            IcmpError,
            MdInfo,
            Received,
            SharedMetadata,
            State, //
        },
        Family, //
    }, //
};

use kernel::{
    prelude::*,
    sync::rcu, //
};

/// The handler that the protocols of IPsec bring their packets to.
pub(crate) struct Input;

/// What has to be known of the states that a packet came through.
struct Arrival<'g> {
    /// The device that the packet belongs to.
    dev: &'g Device<Interface>,
    /// The `if_id` of the connection, in host byte order.
    if_id: u32,
    /// Whether the packet was inside another one.
    tunnel: bool,
}

impl<'g> Arrival<'g> {
    /// How the packet arrived; `None` if it belongs to no device of ours.
    #[inline(always)]
    fn of(skb: &SkBuff, rcu: &'g rcu::Guard) -> Option<Self> {
        let (connection, last) = skb.connection_and_last_state()?;
        // Read once: it may change.
        let if_id = connection.if_id();
        Some(Self {
            dev: table::owner(connection.net(), if_id, rcu)?,
            if_id,
            tunnel: last.is_tunnel(),
        })
    }

    /// The index of the device that the encrypted packet came in by. It is 0 if that device is in
    /// another namespace, where the index means something else, or is the interface itself, as for
    /// a tunnel in a tunnel.
    fn link(&self, skb: &SkBuff, rcu: &rcu::Guard) -> c_int {
        skb.device(rcu)
            .filter(|lower| lower.net(rcu).is(self.dev.net(rcu)) && !lower.is(self.dev))
            .map_or(0, |lower| lower.ifindex())
    }
}

impl Handler for Input {
    fn may_enter(skb: &mut SkBuff, next: &State, family: Family, rcu: &rcu::Guard) -> bool {
        if !is_ours(skb, next, rcu) {
            return true;
        }
        // If the policies allow what the packet came through so far, the check marks that as
        // verified.
        if may_be_a_bundle(skb, next) {
            // A refusal is no error yet: the last check decides.
            xfrm::try_check_in(next.net(), skb, family);
            return true;
        }
        xfrm::check_in(skb, family)
    }

    #[inline]
    fn received(skb: &mut SkBuff, rcu: &rcu::Guard) -> Received {
        let result = match Arrival::of(skb, rcu) {
            Some(arrival) => deliver(skb, &arrival, rcu)
                .map(|()| Received::Taken)
                .inspect_err(|err| refused(skb, arrival.dev, arrival.if_id, *err)),
            None if skb.last_state().is_some_and(State::is_tunnel) => {
                check_before_gro(skb, rcu).map(|()| Received::NotOurs)
            }
            None => Ok(Received::NotOurs),
        };
        result.unwrap_or_else(Received::Drop)
    }

    #[cold]
    #[inline(never)]
    fn dropped(skb: &mut SkBuff, rcu: &rcu::Guard) -> Received {
        let Some(Arrival { dev, .. }) = Arrival::of(skb, rcu) else {
            return Received::NotOurs;
        };
        dev.count(Counter::RxErrors);
        dev.count(Counter::RxDropped);
        Received::Taken
    }

    fn error(error: IcmpError<'_>, rcu: &rcu::Guard) -> bool {
        errors::handle(error, rcu)
    }
}

/// Whether a device of ours is concerned when a packet goes on through the state `next`. The kernel
/// alone asks no policies between two states, and that remains so where no device is concerned.
fn is_ours(skb: &SkBuff, next: &State, rcu: &rcu::Guard) -> bool {
    let has_device = |state: &State| table::owner(state.net(), state.if_id(), rcu).is_some();
    skb.connection().is_some_and(has_device) || has_device(next)
}

/// Whether one policy may ask for what the packet came through and for the state `next` as well
/// (RFC 4301, 4.5, case 4). The last check then sees both, and refuses any tunnel that the policy
/// does not name.
fn may_be_a_bundle(skb: &SkBuff, next: &State) -> bool {
    let (Some(connection), Some(last)) = (skb.connection(), skb.last_state()) else {
        return false;
    };
    // The last check overlooks states in transport mode that the policy has no use for. And a
    // policy with an `if_id` wants all states to have the same.
    let next = next.if_id();
    last.is_tunnel() && (next == connection.if_id() || next == 0)
}

/// Checks a packet that has just come out of a tunnel now, if GRO is going to give it to its next
/// state. Otherwise it is checked when it enters that state; but after GRO nobody knows where it
/// came from. Fails with `EPERM` if a policy refuses it.
#[inline(always)]
fn check_before_gro(skb: &mut SkBuff, rcu: &rcu::Guard) -> Result {
    if xfrm::gro_takes_esp() {
        check_what_gro_takes(skb, rcu)
    } else {
        Ok(())
    }
}

/// As [`check_before_gro`], where GRO gives packets to states.
#[inline(never)]
fn check_what_gro_takes(skb: &mut SkBuff, rcu: &rcu::Guard) -> Result {
    match xfrm::next_by_gro(skb, rcu) {
        Some((next, family)) if is_ours(skb, &next, rcu) => {
            // The control block and the route are still those of the packet outside.
            skb.clear_ip_control_block(family);
            skb.drop_dst();
            if xfrm::check_in(skb, family) {
                Ok(())
            } else {
                Err(EPERM)
            }
        }
        _ => Ok(()),
    }
}

/// Counts a packet of the connection `if_id` that [`deliver`] has failed for with `error`, besides
/// what [`Input::dropped`] counts.
#[cold]
#[inline(never)]
fn refused(skb: &SkBuff, dev: &Device<Interface>, if_id: u32, error: Error) {
    let cause = if error == enetdown() {
        Cause::Down
    } else if error == EPERM {
        Cause::Policy
    } else {
        Cause::Memory
    };
    let info = MdInfo { if_id, link: 0 };
    dev.data().stats.drop(dev, skb, info, false, cause);
}

/// Makes the packet one that came in by the device of its connection. Fails with `ENETDOWN` if the
/// device is down, with `EPERM` if a policy refuses the packet, or for lack of memory.
#[inline]
fn deliver(skb: &mut SkBuff, arrival: &Arrival<'_>, rcu: &rcu::Guard) -> Result {
    let dev = arrival.dev;
    if !dev.is_up() {
        return Err(enetdown());
    }
    let link = arrival.link(skb, rcu);
    skb.set_device(dev, rcu);

    if !dev.link_net().is(dev.net(rcu)) {
        // The packet leaves its states behind in the link namespace. So they have to satisfy a
        // policy here.
        let state = skb.last_state().ok_or(EINVAL)?;
        let family = state.inner_family(skb).ok_or(EINVAL)?;
        if !xfrm::check_in(skb, family) {
            return Err(EPERM);
        }
    } else if arrival.tunnel {
        check_before_gro(skb, rcu)?;
        ingress::check(skb, dev, rcu)?;
    }
    // In transport mode there is no packet inside that could be routed by its connection, and the
    // stack would take metadata for a route.
    let metadata = if arrival.tunnel && matches!(dev.data().mode(), Mode::External(_)) {
        let if_id = arrival.if_id;
        Some(remembered::metadata(MdInfo { if_id, link }, dev, rcu)?)
    } else {
        dev.data().no_metadata();
        None
    };
    dev.receive(skb, metadata.map(SharedMetadata::into_inner));
    Ok(())
}
