// SPDX-License-Identifier: GPL-2.0

//! Packets that a device has been given, and that wait until it can send them.
//!
//! A packet on its way refers to its device, its route and namespaces, which are there because the
//! way is short. One that is put aside has to keep them. [`Waiting`] does that in a way that lets
//! the device and its namespace be removed meanwhile: it counts a reference to the one, has a
//! [`Hold`] of the other, and says in [`Waiting::device`] when it waits in vain. A driver drops it
//! then.
//!
//! Packets are put aside and tried again with softirqs disabled, under RCU. They may be dropped
//! anywhere.
//!
//! C header: [`include/net/dst.h`](srctree/include/net/dst.h), `skb_dst_force()`
//!
//! # Examples
//!
//! ```
//! use crate::net::{
//!     link::{
//!         Device,
//!         LinkOps, //
//!     },
//!     skb::{
//!         DropReason,
//!         OwnedSkBuff, //
//!     },
//!     xfrm::Waiting, //
//! };
//! use kernel::sync::rcu;
//!
//! /// Puts a packet aside that can't be sent now.
//! fn put_aside<T: LinkOps>(
//!     skb: OwnedSkBuff,
//!     dev: &Device<T>,
//!     rcu: &rcu::Guard,
//! ) -> Option<Waiting<T>> {
//!     match Waiting::new(skb, dev, rcu) {
//!         Ok(waiting) => Some(waiting),
//!         Err(skb) => {
//!             skb.free(DropReason::DEV_READY);
//!             None
//!         }
//!     }
//! }
//!
//! /// Has it sent later; `None` if nothing waits any more.
//! fn later<T: LinkOps>(waiting: Waiting<T>, rcu: &rcu::Guard) -> Option<Waiting<T>> {
//!     waiting.retry(try_to_send, rcu)
//! }
//!
//! /// Sends the packet, or gives it back.
//! fn try_to_send<T: LinkOps>(
//!     dev: &Device<T>,
//!     skb: OwnedSkBuff,
//!     rcu: &rcu::Guard,
//! ) -> Option<OwnedSkBuff> {
//!     if !dev.is_up() {
//!         return Some(skb);
//!     }
//!     T::start_xmit(dev, skb, rcu);
//!     None
//! }
//! # use crate::xfrmi::interface::Interface;
//! # let _ = (put_aside::<Interface>, later::<Interface>);
//! ```

use crate::{
    bindings,
    net::{
        dst::SkbDst,
        link::{
            Device,
            KeptDevice,
            LinkOps, //
        },
        pernet::Hold,
        skb::{
            DropReason,
            OwnedSkBuff, //
        }, //
    }, //
};

use kernel::sync::rcu;

/// A packet that waits, and what it refers to.
///
/// # Invariants
///
/// `hold` is of the namespace that the device was in, and that the route attached to the packet
/// belongs to, if there is one. The packet has counted references to all that it refers to, but for
/// the device, of which `dev` is one.
pub(crate) struct Waiting<T: LinkOps> {
    /// The packet. Before the others, because fields are dropped in this order.
    skb: OwnedSkBuff,
    /// The device that it waits for.
    dev: KeptDevice<T>,
    /// Keeps the namespace that the device was in.
    hold: Hold,
}

// SAFETY: Packets are handed from CPU to CPU. By the type invariant what this one refers to stays,
// wherever it is put.
unsafe impl<T: LinkOps> Send for Waiting<T> {}

impl<T: LinkOps> Waiting<T> {
    /// Keeps a packet that `dev` has been given.
    ///
    /// Gives it back if what is attached to it belongs to another namespace, or may do so, and once
    /// the device's namespace is being removed.
    pub(crate) fn new(
        mut skb: OwnedSkBuff,
        dev: &Device<T>,
        rcu: &rcu::Guard,
    ) -> Result<Self, OwnedSkBuff> {
        let net = dev.net(rcu);
        // Asking for the dst makes a borrowed one counted (`skb_dst_force()`).
        let route = match skb.dst() {
            SkbDst::Route(route) => Some(Some(route)),
            SkbDst::Metadata(metadata) => metadata.xfrm_info().map(|(_, route)| route),
            SkbDst::None => Some(None),
        };
        let is_of_net = match route {
            Some(Some(route)) => route.device(rcu).net(rcu).is(net),
            Some(None) => true,
            // Metadata of another kind may refer to anything.
            None => false,
        };
        if !is_of_net {
            return Err(skb);
        }
        let Some(hold) = T::KIND.get().hold(net, rcu) else {
            return Err(skb);
        };
        skb.set_device(dev, rcu);
        // A socket that was found early for a received packet may be one that the packet has no
        // reference to.
        //
        // SAFETY: The packet is ours.
        unsafe {
            if bindings::skb_sk_is_prefetched(skb.as_raw()) {
                bindings::skb_orphan(skb.as_raw());
            }
        }
        // INVARIANT: The route was compared. Sockets, states, conntrack entries and the route are
        // counted now.
        Ok(Self {
            skb,
            dev: KeptDevice::new(dev),
            hold,
        })
    }

    /// The device; `None` if the packet waits in vain, because the device was unregistered,
    /// switched off, or moved to another namespace, or because its namespace is being removed.
    pub(crate) fn device<'g>(&self, rcu: &'g rcu::Guard) -> Option<&'g Device<T>> {
        let dev = self.dev.get(rcu)?;
        let net = dev.net(rcu);
        let stays =
            dev.is_up() && self.hold.is_of(net) && T::KIND.get().per_net(net, rcu).is_some();
        stays.then_some(dev)
    }

    /// Lets `f` try to send the packet. A packet that `f` gives back waits on. Returns `None` if
    /// none waits any more: it was sent, or dropped because it waited in vain
    /// (`SKB_DROP_REASON_DEV_READY`).
    ///
    /// `f` captures nothing, so it has no place where it could leave the packet. Softirqs have to
    /// be disabled, as they are wherever packets are sent.
    pub(crate) fn retry(
        self,
        f: fn(&Device<T>, OwnedSkBuff, &rcu::Guard) -> Option<OwnedSkBuff>,
        rcu: &rcu::Guard,
    ) -> Option<Self> {
        let reason = DropReason::DEV_READY;
        let Some(dev) = self.device(rcu) else {
            self.skb.free(reason);
            return None;
        };
        // The device and the namespace are let go of only after the packet is kept again.
        let Self {
            skb,
            dev: _kept,
            hold: _hold,
        } = self;
        // `f` need not give back the same packet, nor one with the same route.
        match Self::new(f(dev, skb, rcu)?, dev, rcu) {
            Ok(waiting) => Some(waiting),
            Err(skb) => {
                skb.free(reason);
                None
            }
        }
    }
}
