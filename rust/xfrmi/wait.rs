// SPDX-License-Identifier: GPL-2.0

//! Packets that wait until key managers have negotiated states for them
//! (`net.core.xfrm_larval_drop=0`).
//!
//! Without an interface they wait in a queue of the policy (`xdst_queue_output()`). That queue is
//! not for packets of an interface. It looks them up again as packets of none. If that finds
//! nothing, it gives them to the device once more, by way of everything that they have come through
//! before (netfilter, programs, queues), as often as it takes. And what it makes of their route
//! leaks a reference: `dst_destroy()` takes it for something without a child.
//!
//! Here they wait between the look-up that found no state and the next one, for no longer than a
//! negotiation may take (`net.core.xfrm_acq_expires`), and in their order.
//!
//! Packets begin to wait with softirqs disabled, under RCU; a timer tries them again in softirq
//! context. [`register`] sleeps, and dropping what it returns does.

use super::{
    changes::Generation,
    interface::Interface, //
};

use crate::net::{
    global::{
        Global,
        GlobalRegistration, //
    },
    jiffies::{
        ticks,
        Instant, //
    },
    link::Device,
    skb::OwnedSkBuff,
    timer::{
        Expire,
        Timer, //
    },
    xfrm::Waiting, //
};

use core::mem;

use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu,
        SpinLock, //
    }, //
};

/// The time between looks at the packets that wait, in milliseconds: as with the kernel's own
/// queue.
const PAUSE: u32 = 100;

/// The time after which a packet is looked up again though nothing seems to have changed, in
/// milliseconds.
const SECOND_LINE: u32 = 1000;

/// How many packets may wait.
const ALL: usize = 512;

/// How many packets of one connection may wait: they are sent all at once.
const OF_ONE: usize = 32;

/// One connection may use one part in so many of the room that is left. So connections that never
/// get a state leave some for others.
const PART: usize = 8;

/// The packets that wait.
static WAITING: Global<Timer<Queue>> = Global::new();

/// A place in the queue.
struct Place {
    /// Which connection the packet belonged to when it came: the id of the link namespace
    /// ([`Net::id`](crate::net::net_namespace::Net::id)), and the `if_id`.
    connection: (u64, u32),
    /// When the packet came.
    since: Instant,
    /// When the packet was last looked up again, and the generation before that. The look-up that
    /// made it wait does not count.
    tried: Option<(Instant, Generation)>,
    /// Nothing while it is tried, and after it was sent or dropped.
    packet: Option<Waiting<Interface>>,
}

/// The packets that wait, and how they are tried.
#[pin_data]
pub(crate) struct Queue {
    /// In the order in which they came; there is room for all. Taken with softirqs disabled.
    #[pin]
    places: SpinLock<KVVec<Place>>,
    /// Whether there are any, for those who may not take the lock.
    any: Atomic<bool>,
    /// Tries a packet that may wait on.
    again: Attempt,
    /// Tries a packet that may not.
    for_the_last_time: Attempt,
}

/// Tries to send a packet that has been waiting. Returns it if it has to wait on.
pub(crate) type Attempt = fn(&Device<Interface>, OwnedSkBuff, &rcu::Guard) -> Option<OwnedSkBuff>;

impl Queue {
    /// Adds a packet of the connection `if_id`. Gives it back if there is no room, or if it can't
    /// be kept ([`Waiting::new`]).
    fn add(
        &self,
        dev: &Device<Interface>,
        skb: OwnedSkBuff,
        if_id: u32,
        rcu: &rcu::Guard,
    ) -> Result<(), OwnedSkBuff> {
        let connection = (dev.link_net().id(), if_id);
        let mut places = self.places.lock();
        let left = ALL.saturating_sub(places.len());
        let mine = places.iter().filter(|place| place.connection == connection);
        let count: usize = mine.fold(0, |count, _| count.saturating_add(1));
        if count >= OF_ONE.min(left / PART) {
            return Err(skb);
        }
        let place = Place {
            connection,
            since: Instant::now(),
            tried: None,
            packet: Some(Waiting::new(skb, dev, rcu)?),
        };
        // There is room: the connection has less than a part of what is left.
        let _ = places.push_within_capacity(place);
        self.any.store(true, Relaxed);
        Ok(())
    }

    /// Tries the packet in the place `at`, if there may be something new for it. Returns whether
    /// there is such a place. Only the timer does this, so that places stay where they are.
    fn retry(&self, at: usize, rcu: &rcu::Guard) -> bool {
        let mut places = self.places.lock();
        let Some(place) = places.get_mut(at) else {
            return false;
        };
        let Some(packet) = &place.packet else {
            return true;
        };
        let mut attempt = self.again;
        let mut tried = None;
        if let Some(dev) = packet.device(rcu) {
            let net = dev.link_net();
            tried = Generation::now(net, place.connection.1, rcu)
                .map(|generation| (Instant::now(), generation));
            let longest = ticks(net.acquire_expires().saturating_mul(1000));
            if place.since.elapsed() >= longest {
                attempt = self.for_the_last_time;
            } else if let (Some((then, old)), Some((_, new))) = (place.tried, tried) {
                if old == new && then.elapsed() < ticks(SECOND_LINE) {
                    return true;
                }
            }
        }
        place.tried = tried;
        let packet = place.packet.take();
        // The lock is dropped, because a packet that is sent may come back to this queue, as one of
        // another device.
        drop(places);
        let packet = packet.and_then(|packet| packet.retry(attempt, rcu));
        if let Some(place) = self.places.lock().get_mut(at) {
            place.packet = packet;
        }
        true
    }

    /// Takes out the places without a packet. Returns whether any places are left.
    fn tidy(&self) -> bool {
        let mut places = self.places.lock();
        let mut kept: usize = 0;
        for at in 0..places.len() {
            // Places that are kept move up, in their order.
            let Some((before, rest)) = places.split_at_mut_checked(at) else {
                break;
            };
            let Some(place) = rest.first_mut().filter(|place| place.packet.is_some()) else {
                continue;
            };
            if let Some(gap) = before.get_mut(kept) {
                mem::swap(gap, place);
            }
            kept = kept.saturating_add(1);
        }
        while places.len() > kept {
            places.pop();
        }
        let any = !places.is_empty();
        self.any.store(any, Relaxed);
        any
    }
}

impl Expire for Queue {
    fn expired(&self, timer: &Timer<Self>) {
        let rcu = rcu::read_lock();
        let mut at: usize = 0;
        while self.retry(at, &rcu) {
            at = at.saturating_add(1);
        }
        if self.tidy() {
            timer.start_within(ticks(PAUSE));
        }
    }
}

/// The registration of the queue: packets can wait until it is dropped. No device may be left then.
pub(crate) type WaitRegistration = GlobalRegistration<Timer<Queue>>;

/// Makes the queue. Packets are tried `again` as long as they may wait, and then once
/// `for_the_last_time`. Fails with `ENOMEM`, or with `EBUSY` if there is a queue.
pub(crate) fn register(again: Attempt, for_the_last_time: Attempt) -> Result<WaitRegistration> {
    let places = KVVec::with_capacity(ALL, GFP_KERNEL)?;
    let queue = pin_init!(Queue {
        places <- new_spinlock!(places, "xfrmi_wait"),
        any: Atomic::new(false),
        again,
        for_the_last_time,
    });
    WAITING.register(KBox::pin_init(Timer::new(queue), GFP_KERNEL)?)
}

/// Lets a packet of the connection `if_id` (host byte order) wait, for which a look-up has just
/// found no states yet. Gives it back if it can't wait.
#[cold]
#[inline(never)]
pub(super) fn begin(
    dev: &Device<Interface>,
    skb: OwnedSkBuff,
    if_id: u32,
    rcu: &rcu::Guard,
) -> Result<(), OwnedSkBuff> {
    let Some(queue) = WAITING.get(rcu) else {
        return Err(skb);
    };
    queue.data().add(dev, skb, if_id, rcu)?;
    queue.start_within(ticks(PAUSE));
    Ok(())
}

/// Has the packets looked at now, because some may wait in vain: their device or namespace goes,
/// and that has to wait for them. A packet that comes only now is looked at soon enough. In any
/// context.
pub(super) fn look() {
    let rcu = rcu::read_lock();
    let queue = WAITING.get(&rcu);
    if let Some(queue) = queue.filter(|queue| queue.data().any.load(Relaxed)) {
        queue.start_within(0);
    }
}
