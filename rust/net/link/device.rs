// SPDX-License-Identifier: GPL-2.0

//! Devices of a driver's own kind.
//!
//! A [`Device`] is a [`NetDevice`] whose kind is known, so the driver's data can be reached. It is
//! bound to the critical section, or to RTNL, as a `NetDevice` is.
//!
//! C headers: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h),
//! [`include/net/dst.h`](srctree/include/net/dst.h)
//!
//! # Examples
//!
//! A driver finds one of its devices by the index:
//!
//! ```
//! use crate::net::{
//!     link::{
//!         Device,
//!         LinkOps, //
//!     },
//!     net_namespace::Net,
//!     netdevice::NetDevice, //
//! };
//!
//! use kernel::sync::rcu;
//!
//! fn find<'g, T: LinkOps>(
//!     net: &Net,
//!     ifindex: c_int,
//!     rcu: &'g rcu::Guard,
//! ) -> Option<&'g Device<T>> {
//!     NetDevice::by_index(net, ifindex, rcu)?.downcast()
//! }
//!
//! # use crate::net::tests::{bundle_key::init_net, device::Plain};
//! // The loopback device is of another kind.
//! assert!(find::<Plain>(init_net(), 1, &rcu::read_lock()).is_none());
//! ```
//!
//! It sends a packet on:
//!
//! ```
//! use crate::net::{
//!     dst::Dst,
//!     link::{
//!         Device,
//!         LinkOps, //
//!     },
//!     netdevice::Counter,
//!     skb::OwnedSkBuff, //
//! };
//!
//! use kernel::sync::{
//!     aref::ARef,
//!     rcu, //
//! };
//!
//! fn send<T: LinkOps>(dev: &Device<T>, skb: OwnedSkBuff, route: ARef<Dst>, rcu: &rcu::Guard) {
//!     if !dev.send(skb, route, rcu) {
//!         dev.count(Counter::TxErrors);
//!         dev.count(Counter::TxAborted);
//!     }
//! }
//! # use crate::net::tests::device::Plain;
//! # let _: fn(&Device<Plain>, OwnedSkBuff, ARef<Dst>, &rcu::Guard) = send;
//! ```

use super::{
    device_ops::VTable,
    private::Private,
    LinkOps, //
};

use crate::{
    bindings,
    net::{
        dst::{
            Dst,
            Metadata, //
        },
        net_namespace::Net,
        netdevice::NetDevice,
        skb::{
            OwnedSkBuff,
            SkBuff, //
        }, //
    }, //
};

use core::{
    marker::PhantomData,
    ops::Deref, //
};

use kernel::sync::{
    aref::ARef,
    rcu, //
};

/// A device of the kind `T`.
///
/// # Invariants
///
/// Those of [`NetDevice`] hold. The namespace to which the device sends does not go before the
/// critical section or RTNL ends, either. The private area of the device is an initialised
/// [`Private<T>`].
#[repr(transparent)]
pub(crate) struct Device<T: LinkOps>(NetDevice, PhantomData<T>);

impl<T: LinkOps> Deref for Device<T> {
    type Target = NetDevice;

    fn deref(&self) -> &NetDevice {
        &self.0
    }
}

impl NetDevice {
    /// Returns the device as one of the kind `T`; `None` if it is of another kind or was
    /// unregistered.
    pub(crate) fn downcast<T: LinkOps>(&self) -> Option<&Device<T>> {
        // SAFETY: The device is live.
        let ops = unsafe { (*self.as_raw()).netdev_ops };
        if !core::ptr::eq(ops, T::KIND.get().netdev_ops()) {
            return None;
        }
        // SAFETY: The operations are those of `T`, so that this is a device of that kind; one that
        // others can refer to has been registered, and so its private data initialised.
        unsafe { Device::if_registered(self.as_raw()) }
    }
}

impl<T: LinkOps> Device<T> {
    /// Makes a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` is to a device of the kind `T`, and its private data are initialised. The device is
    /// registered, as the type invariant says, when `'a` begins.
    pub(in crate::net) unsafe fn from_raw<'a>(ptr: *const bindings::net_device) -> &'a Self {
        // SAFETY: The layout is the same, and the contract is the caller's.
        unsafe { &*ptr.cast() }
    }

    /// Returns the device, unless it was unregistered.
    ///
    /// # Safety
    ///
    /// `ptr` is to a live device of the kind `T`, and its private data are initialised. The caller
    /// is in a critical section that lasts for `'a`.
    pub(super) unsafe fn if_registered<'a>(ptr: *mut bindings::net_device) -> Option<&'a Self> {
        // SAFETY: The contract of this function.
        let registered = unsafe { (*Private::<T>::of(ptr)).is_registered() };
        // When the flag is withdrawn, the kernel waits for a grace period before it lets go of the
        // device and of RTNL. So it waits for this critical section. Without RTNL no namespace
        // goes.
        //
        // SAFETY: The device is registered now; the rest is the contract of this function.
        registered.then(|| unsafe { Self::from_raw(ptr) })
    }

    /// Returns the private area.
    fn private(&self) -> &Private<T> {
        // SAFETY: The type invariant.
        unsafe { &*Private::of(self.as_raw()) }
    }

    /// Returns what the driver keeps for the device.
    pub(crate) fn data(&self) -> &T {
        // SAFETY: The type invariant.
        unsafe { self.private().data() }
    }

    /// Returns the namespace to which the device sends, and from which it receives.
    pub(crate) fn link_net(&self) -> &Net {
        // SAFETY: The type invariant.
        unsafe { self.private().link_net() }
    }

    /// Returns how many packets the device has received and sent (`dev_get_tstats64()`).
    pub(crate) fn packets(&self) -> (u64, u64) {
        let mut stats = bindings::rtnl_link_stats64::default();
        // SAFETY: The device is live; registered devices have per-CPU statistics (`Kind::setup`).
        unsafe { bindings::dev_get_tstats64(self.as_raw(), &mut stats) };
        (stats.rx_packets, stats.tx_packets)
    }

    /// Sends a packet, which was handed to the device, from the link namespace through `dst`
    /// (`dst_output()`).
    ///
    /// The packet loses what it must not take along from one side of a tunnel device to the other:
    /// time stamps, its route, connection tracking. If the link namespace is another one than the
    /// device's, it also loses its socket, its mark, and the states through which it came.
    ///
    /// Returns whether the packet was sent, as far as is known; a packet that waits in a queue
    /// counts as sent. A packet that was sent is counted. Softirqs have to be disabled, as they are
    /// wherever packets are sent.
    pub(crate) fn send(&self, skb: OwnedSkBuff, dst: ARef<Dst>, _rcu: &rcu::Guard) -> bool {
        let net = self.link_net().as_raw();
        let dst = Dst::into_raw(dst);
        // The result is zero for success. Otherwise it is an error number, or the verdict of a
        // queue (`NET_XMIT_DROP`), which is not an error number.
        //
        // SAFETY: The packet and the dst are handed over, the namespace is live, and RCU is held.
        // Registered devices have per-CPU statistics (`Kind::setup`).
        unsafe { bindings::datapath_tunnel_xmit(self.as_raw(), net, skb.into_raw(), dst) == 0 }
    }

    /// Makes a packet that a route is about to hand to the device what it would be behind the
    /// device's queue. Returns whether it is: not if there is a queue, if somebody watches what the
    /// device sends or may change it, or if the packet is not complete. Then nothing has changed.
    /// Softirqs have to be disabled, as they are wherever packets are sent.
    pub(crate) fn skip_queue(&self, skb: &mut OwnedSkBuff, _rcu: &rcu::Guard) -> bool {
        // SAFETY: The packet is valid and owned, the device is live, and RCU is held.
        unsafe { bindings::datapath_skip_queue(skb.as_raw(), self.as_raw()) }
    }

    /// Hands a packet to the device as its queue does (`ndo_start_xmit`). Softirqs have to be
    /// disabled.
    ///
    /// It goes by way of the kernel's callback, so that the code for packets is there once.
    pub(crate) fn start_xmit(&self, skb: OwnedSkBuff, _rcu: &rcu::Guard) {
        // SAFETY: The packet is handed over, the device is registered, and softirqs are disabled.
        unsafe { VTable::<T>::start_xmit(skb.into_raw(), self.as_raw()) };
    }

    /// Lets the device receive a packet from the link namespace, with `metadata` if there are any.
    ///
    /// The packet loses what [`Self::send`] takes away, and is counted. Softirqs have to be
    /// disabled, as they are wherever packets are received.
    pub(crate) fn receive(&self, skb: &mut SkBuff, metadata: Option<ARef<Metadata>>) {
        let net = self.link_net().as_raw();
        let metadata = metadata.map_or(core::ptr::null_mut(), Metadata::into_dst);
        // SAFETY: The packet is valid and borrowed exclusively, the namespace is live, and the
        // reference to the metadata is handed over. Registered devices have per-CPU statistics
        // (`Kind::setup`).
        unsafe { bindings::datapath_tunnel_rcv(self.as_raw(), net, skb.as_raw(), metadata) };
    }
}
