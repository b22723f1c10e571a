// SPDX-License-Identifier: GPL-2.0

//! Network devices of any kind.
//!
//! A [`NetDevice`] is found in an RCU read-side critical section, or while RTNL is held, and can be
//! used until that ends. So no reference count is needed. [`link`](super::link) has the devices of
//! a driver's own kind.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)
//!
//! # Examples
//!
//! The loopback device is the first one of its namespace:
//!
//! ```
//! use crate::net::netdevice::NetDevice;
//!
//! use kernel::sync::rcu;
//!
//! # use crate::net::tests::bundle_key::init_net;
//! # let net = init_net();
//! let rcu = rcu::read_lock();
//! let lo = NetDevice::by_index(net, 1, &rcu).ok_or(ENODEV)?;
//! assert_eq!(lo.ifindex(), 1);
//! assert!(lo.net(&rcu).is(net));
//! // It belongs to no VRF.
//! assert_eq!(lo.l3mdev_ifindex(&rcu), 0);
//! ```
//!
//! A driver counts a packet that it drops:
//!
//! ```
//! use crate::net::{
//!     netdevice::{
//!         Counter,
//!         NetDevice, //
//!     },
//!     skb::{
//!         DropReason,
//!         OwnedSkBuff, //
//!     }, //
//! };
//!
//! fn no_route(dev: &NetDevice, skb: OwnedSkBuff) {
//!     dev.count(Counter::TxCarrier);
//!     dev.count(Counter::TxErrors);
//!     skb.free(DropReason::IP_OUTNOROUTES);
//! }
//! # let _: fn(&NetDevice, OwnedSkBuff) = no_route;
//! ```

use super::{
    atomic::{
        read_acquire,
        read_once,
        write_once, //
    },
    net_namespace::Net,
    rtnl::Rtnl, //
};

use crate::bindings;

use core::marker::PhantomData;

use kernel::{
    impl_flags,
    prelude::*,
    sync::rcu,
    types::Opaque, //
};

impl_flags!(
    /// A set of offloads that a device may claim (`netdev_features_t`).
    #[derive(Clone, Copy)]
    pub(crate) struct Features(u64);

    /// An offload. These need nothing of a driver but that it hands packets on.
    #[derive(Clone, Copy)]
    pub(crate) enum Feature {
        /// Scattered packets.
        Sg = bindings::NETIF_F_SG,
        /// Packets that are lists of fragments.
        FragList = bindings::NETIF_F_FRAGLIST,
        /// Segmentation that the stack can do in software.
        GsoSoftware = bindings::NETIF_F_GSO_SOFTWARE,
        /// Checksums of any protocol.
        HwCsum = bindings::NETIF_F_HW_CSUM,
    }
);

/// A network device of any kind (`struct net_device`).
///
/// # Invariants
///
/// Whoever has a reference is in an RCU read-side critical section, or holds RTNL. Since that began
/// the device has been found registered. So neither the device nor its namespace goes before that
/// ends.
#[repr(transparent)]
pub(crate) struct NetDevice(Opaque<bindings::net_device>);

// SAFETY: `struct net_device` is shared between CPUs; the methods here take that into account.
unsafe impl Send for NetDevice {}
// SAFETY: As above.
unsafe impl Sync for NetDevice {}

impl NetDevice {
    /// Returns the device with the interface index `ifindex` in the namespace `net`
    /// (`dev_get_by_index_rcu()`).
    pub(crate) fn by_index<'g>(
        net: &Net,
        ifindex: c_int,
        _rcu: &'g rcu::Guard,
    ) -> Option<&'g Self> {
        // SAFETY: The namespace is live; RCU is held.
        let dev = unsafe { bindings::dev_get_by_index_rcu(net.as_raw(), ifindex) };
        // SAFETY: A device found under RCU lives at least as long as the critical section.
        (!dev.is_null()).then(|| unsafe { Self::from_raw(dev) })
    }

    /// Makes a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` is to a device that is registered, as the type invariant says, when `'a` begins.
    pub(super) unsafe fn from_raw<'a>(ptr: *const bindings::net_device) -> &'a Self {
        // SAFETY: The layout is the same, and the contract is the caller's.
        unsafe { &*ptr.cast() }
    }

    /// Returns the pointer that C functions take.
    pub(super) fn as_raw(&self) -> *mut bindings::net_device {
        self.0.get()
    }

    /// Returns whether both are the same device.
    pub(crate) fn is(&self, other: &Self) -> bool {
        core::ptr::eq(self, other)
    }

    /// Returns the interface index, which is unique in the device's namespace.
    pub(crate) fn ifindex(&self) -> c_int {
        // SAFETY: The device is live; the index changes only while it moves between namespaces.
        unsafe { read_once(&raw const (*self.as_raw()).ifindex) }
    }

    /// Returns whether the device is administratively up (`IFF_UP`).
    pub(crate) fn is_up(&self) -> bool {
        // SAFETY: The device is live.
        let flags = unsafe { read_once(&raw const (*self.as_raw()).flags) };
        flags & bindings::net_device_flags_IFF_UP != 0
    }

    /// Returns the namespace of the device (`dev_net_rcu()`).
    ///
    /// The device may move to another namespace, and this one may be removed then. Neither is over
    /// before the critical section ends.
    pub(crate) fn net<'g>(&self, _rcu: &'g rcu::Guard) -> &'g Net {
        // SAFETY: By the type invariant. The kernel waits for a grace period when a device has left
        // a namespace, before it releases RTNL, which the removal of the namespace takes.
        unsafe { Net::from_possible(&raw const (*self.as_raw()).nd_net) }
    }

    /// Returns the namespace of the device, which does not move while RTNL is held.
    pub(crate) fn net_rtnl<'r>(&'r self, _rtnl: &'r Rtnl) -> &'r Net {
        // SAFETY: By the type invariant. A namespace goes after its devices have, which takes RTNL.
        unsafe { Net::from_possible(&raw const (*self.as_raw()).nd_net) }
    }

    /// Returns whether programs of XDP, TC or netfilter may take packets away that come in by the
    /// device, before the stack has them.
    #[inline]
    pub(crate) fn has_ingress_programs(&self, _rcu: &rcu::Guard) -> bool {
        let dev = self.as_raw();
        // SAFETY: The device is live; the fields are only compared with null.
        let xdp = unsafe { !read_once(&raw const (*dev).xdp_prog).is_null() };
        #[cfg(CONFIG_NET_XGRESS)]
        // SAFETY: As above; RCU is held.
        let tc = unsafe {
            !read_once(&raw const (*dev).tcx_ingress).is_null()
                && bindings::datapath_has_tc_ingress(dev)
        };
        #[cfg(not(CONFIG_NET_XGRESS))]
        let tc = false;
        #[cfg(CONFIG_NETFILTER_INGRESS)]
        // SAFETY: As above.
        let netfilter = unsafe { !read_once(&raw const (*dev).nf_hooks_ingress).is_null() };
        #[cfg(not(CONFIG_NETFILTER_INGRESS))]
        let netfilter = false;
        xdp | tc | netfilter
    }

    /// Returns the number of the routing table of a VRF; `None` if the device is no VRF
    /// (`l3mdev_fib_table_rcu()`).
    pub(crate) fn vrf_table(&self, _rcu: &rcu::Guard) -> Option<u32> {
        // SAFETY: The device is live, and RCU is held.
        unsafe {
            bindings::netif_is_l3_master(self.as_raw())
                .then(|| bindings::l3mdev_fib_table_rcu(self.as_raw()))
        }
    }

    /// Returns the index of the VRF that the device is or belongs to; 0 if there is none
    /// (`l3mdev_master_ifindex_rcu()`).
    pub(crate) fn l3mdev_ifindex(&self, _rcu: &rcu::Guard) -> c_int {
        // SAFETY: The device is live, and RCU is held.
        unsafe { bindings::l3mdev_master_ifindex_rcu(self.as_raw()) }
    }

    /// Returns the room, in bytes, to leave in front of packets for the headers of the device
    /// (`LL_RESERVED_SPACE()`).
    pub(crate) fn reserved_space(&self) -> u16 {
        // SAFETY: The device is live.
        let space = unsafe { bindings::LL_RESERVED_SPACE(self.as_raw()) };
        u16::try_from(space).unwrap_or(u16::MAX)
    }

    /// Asks whoever makes packets for the device to leave `head` bytes in front of them and `tail`
    /// bytes behind them (`dev->needed_headroom`, `dev->needed_tailroom`).
    ///
    /// Values only ever grow, and only up to 512, as those of other tunnel devices.
    pub(crate) fn update_needed_room(&self, head: u16, tail: u16) {
        // SAFETY: The device is live; others read the fields while they are written.
        unsafe {
            for (room, needed) in [
                (head, &raw mut (*self.as_raw()).needed_headroom),
                (tail, &raw mut (*self.as_raw()).needed_tailroom),
            ] {
                let room = room.min(512);
                if room > read_once(needed) {
                    write_once(needed, room);
                }
            }
        }
    }

    /// Adds one to an error counter (`DEV_STATS_INC()`).
    pub(crate) fn count(&self, counter: Counter) {
        let dev = self.as_raw();
        // SAFETY: The device is live, and the counters are atomic.
        unsafe {
            match counter {
                Counter::RxErrors => bindings::DEV_STATS_INC_rx_errors(dev),
                Counter::RxDropped => bindings::DEV_STATS_INC_rx_dropped(dev),
                Counter::TxErrors => bindings::DEV_STATS_INC_tx_errors(dev),
                Counter::TxDropped => bindings::DEV_STATS_INC_tx_dropped(dev),
                Counter::TxAborted => bindings::DEV_STATS_INC_tx_aborted_errors(dev),
                Counter::TxCarrier => bindings::DEV_STATS_INC_tx_carrier_errors(dev),
                Counter::Collisions => bindings::DEV_STATS_INC_collisions(dev),
            }
        }
    }

    /// Tells the listeners of rtnetlink that the device has changed (`netdev_state_change()`).
    pub(crate) fn state_changed(&self, _rtnl: &Rtnl) {
        // SAFETY: The device is registered, and RTNL is held.
        unsafe { bindings::netdev_state_change(self.as_raw()) };
    }

    /// Logs `text` and then `number` with the name of the device, as [`Self::warn_ratelimited`] does.
    pub(crate) fn warn_ratelimited_number(&self, text: &CStr, number: u32) {
        // SAFETY: It only counts, and may be called from any context.
        if unsafe { bindings::net_ratelimit() } == 0 {
            return;
        }
        // SAFETY: The device is live. The format is static and takes one string, which the text is:
        // it ends with a NUL; and a number.
        unsafe {
            bindings::netdev_warn(
                self.as_raw(),
                c"%s %u\n".as_char_ptr(),
                text.as_char_ptr(),
                number,
            );
        }
    }

    /// Logs `text` with the name of the device (`netdev_warn()`), unless the network code has
    /// logged too much of late (`net_ratelimit()`).
    pub(crate) fn warn_ratelimited(&self, text: &CStr) {
        // SAFETY: It only counts, and may be called from any context.
        if unsafe { bindings::net_ratelimit() } == 0 {
            return;
        }
        // SAFETY: The device is live. The format is static and takes one string, which the text is:
        // it ends with a NUL.
        unsafe {
            bindings::netdev_warn(self.as_raw(), c"%s\n".as_char_ptr(), text.as_char_ptr());
        }
    }
}

impl Net {
    /// Returns the devices of the namespace (`for_each_netdev_rcu()`).
    pub(crate) fn devices<'g>(
        &'g self,
        _rcu: &'g rcu::Guard,
    ) -> impl Iterator<Item = &'g NetDevice> {
        // SAFETY: The namespace is live.
        let head = unsafe { &raw mut (*self.as_raw()).dev_base_head };
        let mut node = head;
        core::iter::from_fn(move || {
            // SAFETY: The list is read under RCU; a device that is taken out still knows the next.
            node = unsafe { read_acquire(&raw mut (*node).next) };
            // SAFETY: What is in the list is a device, which lives as long as the critical section.
            (!core::ptr::eq(node, head)).then(|| unsafe {
                NetDevice::from_raw(kernel::container_of!(node, bindings::net_device, dev_list))
            })
        })
    }
}

/// An error counter of a device (`struct rtnl_link_stats64`).
#[derive(Clone, Copy)]
pub(crate) enum Counter {
    /// `rx_errors`
    RxErrors,
    /// `rx_dropped`
    RxDropped,
    /// `tx_errors`
    TxErrors,
    /// `tx_dropped`
    TxDropped,
    /// `tx_aborted_errors`
    TxAborted,
    /// `tx_carrier_errors`
    TxCarrier,
    /// `collisions`
    Collisions,
}

/// A list of devices that the kernel is about to unregister together.
pub(crate) struct KillList<'a> {
    pub(super) head: *mut bindings::list_head,
    _head: PhantomData<&'a mut bindings::list_head>,
}

impl KillList<'_> {
    /// Wraps a list that a callback is given.
    ///
    /// # Safety
    ///
    /// `head` is a list of devices that are to be unregistered. It is valid for as long as the
    /// result is used.
    pub(super) unsafe fn from_raw(head: *mut bindings::list_head) -> Self {
        Self {
            head,
            _head: PhantomData,
        }
    }
}
