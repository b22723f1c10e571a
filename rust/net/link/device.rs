// SPDX-License-Identifier: GPL-2.0

//! Devices of a kind.

use super::{
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
/// As for [`NetDevice`], and the namespace that the device sends to goes no sooner either. The
/// private area of the device is an initialised [`Private<T>`].
#[repr(transparent)]
pub(crate) struct Device<T: LinkOps>(NetDevice, PhantomData<T>);

impl<T: LinkOps> Deref for Device<T> {
    type Target = NetDevice;

    fn deref(&self) -> &NetDevice {
        &self.0
    }
}

impl NetDevice {
    /// The device as one of the kind `T`, if it is one.
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
    /// # Safety
    ///
    /// `ptr` is to a device of the kind `T`, its private data initialised, that is registered, as
    /// the type invariant says, when `'a` begins.
    pub(in crate::net) unsafe fn from_raw<'a>(ptr: *const bindings::net_device) -> &'a Self {
        // SAFETY: The layout is the same, and the contract is the caller's.
        unsafe { &*ptr.cast() }
    }

    /// The device, unless it was unregistered.
    ///
    /// # Safety
    ///
    /// `ptr` is to a live device of the kind `T`, its private data initialised. The caller is in a
    /// critical section that lasts for `'a`.
    pub(super) unsafe fn if_registered<'a>(ptr: *mut bindings::net_device) -> Option<&'a Self> {
        // SAFETY: The contract of this function.
        let registered = unsafe { (*Private::<T>::of(ptr)).is_registered() };
        // After that was withdrawn the kernel waits for a grace period, and so for this critical
        // section, before it lets go of the device, and of RTNL, without which no namespace goes.
        //
        // SAFETY: As above.
        registered.then(|| unsafe { Self::from_raw(ptr) })
    }

    fn private(&self) -> &Private<T> {
        // SAFETY: The type invariant.
        unsafe { &*Private::of(self.as_raw()) }
    }

    /// What the driver keeps for the device.
    pub(crate) fn data(&self) -> &T {
        // SAFETY: The type invariant.
        unsafe { self.private().data() }
    }

    /// The namespace that the device sends to and receives from.
    pub(crate) fn link_net(&self) -> &Net {
        // SAFETY: The type invariant.
        unsafe { self.private().link_net() }
    }

    /// Sends a packet that was handed to the device on, from the link namespace through `dst`:
    /// without what it must not take along from one side of a tunnel device to the other (time
    /// stamps, its route, connection tracking), nor into another namespace (its socket, mark, and
    /// the states it came through). Returns whether it was sent, as far as is known: what waits in
    /// a queue is. Then it is counted.
    ///
    /// Softirqs have to be disabled, as they are wherever packets are sent.
    pub(crate) fn send(&self, skb: OwnedSkBuff, dst: ARef<Dst>, _rcu: &rcu::Guard) -> bool {
        let net = self.link_net().as_raw();
        let dst = Dst::into_raw(dst);
        // What is not zero is an error number, or a verdict of a queue (`NET_XMIT_DROP`), which is
        // none.
        //
        // SAFETY: The packet and the dst are handed over, the namespace is live, and RCU is held.
        // Registered devices have per-CPU statistics (`Kind::setup`).
        unsafe { bindings::datapath_tunnel_xmit(self.as_raw(), net, skb.into_raw(), dst) == 0 }
    }

    /// Receives a packet from the link namespace: without what it must not take along, as in
    /// [`Self::send`], and with `metadata` if there are any. It is counted.
    ///
    /// Softirqs have to be disabled, as they are wherever packets are received.
    pub(crate) fn receive(&self, skb: &mut SkBuff, metadata: Option<ARef<Metadata>>) {
        let net = self.link_net().as_raw();
        let metadata = metadata.map_or(core::ptr::null_mut(), Metadata::into_dst);
        // SAFETY: The packet is valid and borrowed exclusively, the namespace is live, and the
        // reference to the metadata is handed over. Registered devices have per-CPU statistics
        // (`Kind::setup`).
        unsafe { bindings::datapath_tunnel_rcv(self.as_raw(), net, skb.as_raw(), metadata) };
    }
}
