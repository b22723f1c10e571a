// SPDX-License-Identifier: GPL-2.0

//! Network devices.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use crate::{
    bindings,
    net::{
        dst::{
            Dst,
            Metadata, //
        },
        namespace::Net,
        rcu::with_softirqs_disabled,
        rtnl::{
            Link,
            Private,
            Rtnl, //
        },
        skb::{
            DropReason,
            SkBuff,
            Skb, //
        }, //
    }, //
};

use core::{
    marker::PhantomData,
    ops::{
        BitOr,
        Deref, //
    },
    ptr::NonNull, //
};

use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    },
    types::Opaque, //
};

/// Offloads that a device may claim (`netdev_features_t`): those that need no more of its driver than
/// that it hands the packets on.
#[derive(Clone, Copy)]
pub(crate) struct Features(u64);

impl Features {
    /// Scattered packets.
    pub(crate) const SG: Self = Self(bindings::NET_HELPER_NETIF_F_SG);
    /// Packets that are lists of fragments.
    pub(crate) const FRAGLIST: Self = Self(bindings::NET_HELPER_NETIF_F_FRAGLIST);
    /// Segmentation that the stack can do in software.
    pub(crate) const GSO_SOFTWARE: Self = Self(bindings::NET_HELPER_NETIF_F_GSO_SOFTWARE);
    /// Checksums of any protocol.
    pub(crate) const HW_CSUM: Self = Self(bindings::NET_HELPER_NETIF_F_HW_CSUM);
}

impl BitOr for Features {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A network device of any kind.
///
/// # Invariants
///
/// Whoever has a reference is in an RCU read-side critical section, or holds RTNL, and has found the
/// device registered since that began. So neither the device nor its namespace goes before that ends.
#[repr(transparent)]
pub(crate) struct NetDevice(Opaque<bindings::net_device>);

// SAFETY: `struct net_device` is shared between CPUs; the methods here take that into account.
unsafe impl Send for NetDevice {}
// SAFETY: As above.
unsafe impl Sync for NetDevice {}

impl NetDevice {
    /// # Safety
    ///
    /// `ptr` is to a device that is registered, as the type invariant says, when `'a` begins.
    pub(super) unsafe fn from_raw<'a>(ptr: *const bindings::net_device) -> &'a Self {
        // SAFETY: The layout is the same, and the contract is the caller's.
        unsafe { &*ptr.cast() }
    }

    pub(super) fn as_raw(&self) -> *mut bindings::net_device {
        self.0.get()
    }

    /// Whether both are the same device.
    pub(crate) fn is(&self, other: &Self) -> bool {
        core::ptr::eq(self, other)
    }

    /// The interface index, unique in the device's namespace.
    pub(crate) fn ifindex(&self) -> c_int {
        // SAFETY: The device is live; the index changes only while it moves between namespaces.
        unsafe { (&raw const (*self.as_raw()).ifindex).read_volatile() }
    }

    /// Whether the device is administratively up.
    pub(crate) fn is_up(&self) -> bool {
        // SAFETY: The device is live.
        let flags = unsafe { (&raw const (*self.as_raw()).flags).read_volatile() };
        flags & bindings::net_device_flags_IFF_UP != 0
    }

    /// The namespace that the device is in. It may be moved to another one, and this one then go, but
    /// not before the critical section `_rcu` ends.
    pub(crate) fn net<'g>(&self, _rcu: &'g rcu::Guard) -> &'g Net {
        // SAFETY: By the type invariant. The kernel waits for a grace period when a device has left a
        // namespace, before it releases RTNL, which the removal of the namespace takes.
        unsafe { Net::from_possible(&raw const (*self.as_raw()).nd_net) }
    }

    /// The index of the VRF that the device is or belongs to; 0 if there is none.
    pub(crate) fn l3mdev_ifindex(&self, _rcu: &rcu::Guard) -> c_int {
        // SAFETY: The device is live, and RCU is held.
        unsafe { bindings::net_helper_l3mdev_master_ifindex_rcu(self.as_raw()) }
    }

    /// The room in bytes to leave before packets for the headers of the device (`LL_RESERVED_SPACE()`).
    pub(crate) fn reserved_space(&self) -> u16 {
        // SAFETY: The device is live.
        let space = unsafe { bindings::net_helper_ll_reserved_space(self.as_raw()) };
        u16::try_from(space).unwrap_or(u16::MAX)
    }

    /// Asks whoever makes packets for the device to leave so many bytes before and behind them, if
    /// that is more than before: up to 512, as for other tunnel devices.
    pub(crate) fn ask_for_room(&self, head: u16, tail: u16) {
        // SAFETY: The device is live; others read the fields while they are written.
        unsafe {
            for (room, needed) in [
                (head, &raw mut (*self.as_raw()).needed_headroom),
                (tail, &raw mut (*self.as_raw()).needed_tailroom),
            ] {
                let room = room.min(512);
                if room > needed.read_volatile() {
                    needed.write_volatile(room);
                }
            }
        }
    }

    /// Tells the listeners of rtnetlink that the device has changed.
    pub(crate) fn state_changed(&self, _rtnl: &Rtnl) {
        // SAFETY: The device is registered, and RTNL is held.
        unsafe { bindings::netdev_state_change(self.as_raw()) };
    }

    /// Logs `text` with the name of the device, unless the network has logged too much of late.
    pub(crate) fn warn_ratelimited(&self, text: &CStr) {
        // SAFETY: The device is live, and the text ends with a NUL.
        unsafe { bindings::net_helper_netdev_warn_ratelimited(self.as_raw(), text.as_char_ptr()) };
    }

    /// The device as one of the kind `T`, if it is one.
    pub(crate) fn downcast<T: Link>(&self) -> Option<&Device<T>> {
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

/// A device of the kind `T`.
///
/// # Invariants
///
/// As for [`NetDevice`], and the namespace that the device sends to goes no sooner either. The private
/// area of the device is an initialised [`Private<T>`].
#[repr(transparent)]
pub(crate) struct Device<T: Link>(NetDevice, PhantomData<T>);

impl<T: Link> Deref for Device<T> {
    type Target = NetDevice;

    fn deref(&self) -> &NetDevice {
        &self.0
    }
}

/// A device of the kind `T` that is kept: there is memory of it until this is dropped, and its removal
/// waits for that.
///
/// It may have been unregistered, and its namespaces be gone. So nothing can be done with it but to ask
/// for the device, which is there as long as it is registered.
///
/// # Invariants
///
/// The pointer is to a device, of which this value holds a reference, and whose private area is an
/// initialised [`Private<T>`].
pub(crate) struct KeptDevice<T: Link> {
    dev: NonNull<bindings::net_device>,
    _kind: PhantomData<T>,
}

// SAFETY: `struct net_device` is shared between CPUs, and so is the private data.
unsafe impl<T: Link> Send for KeptDevice<T> {}
// SAFETY: As above.
unsafe impl<T: Link> Sync for KeptDevice<T> {}

impl<T: Link> KeptDevice<T> {
    /// Keeps a device.
    pub(crate) fn new(dev: &Device<T>) -> Self {
        let dev = NonNull::from(&dev.0).cast();
        // SAFETY: The reference shows that the device is live.
        unsafe { bindings::net_helper_dev_hold(dev.as_ptr()) };
        // INVARIANT: It was just counted, and a `Device` has its private area initialised.
        Self {
            dev,
            _kind: PhantomData,
        }
    }

    /// The device, unless it was unregistered.
    pub(crate) fn get<'g>(&self, _rcu: &'g rcu::Guard) -> Option<&'g Device<T>> {
        // SAFETY: By the type invariant the device is live, and of this kind; RCU is held.
        unsafe { Device::if_registered(self.dev.as_ptr()) }
    }

    /// Whether it is `dev` that is kept.
    pub(crate) fn is(&self, dev: &NetDevice) -> bool {
        core::ptr::eq(self.dev.as_ptr(), dev.as_raw())
    }
}

impl<T: Link> Drop for KeptDevice<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the reference is ours.
        unsafe { bindings::net_helper_dev_put(self.dev.as_ptr()) };
    }
}

impl<T: Link> Device<T> {
    /// # Safety
    ///
    /// `ptr` is to a device of the kind `T`, its private data initialised, that is registered, as the
    /// type invariant says, when `'a` begins.
    pub(super) unsafe fn from_raw<'a>(ptr: *const bindings::net_device) -> &'a Self {
        // SAFETY: The layout is the same, and the contract is the caller's.
        unsafe { &*ptr.cast() }
    }

    /// The device, unless it was unregistered.
    ///
    /// # Safety
    ///
    /// `ptr` is to a live device of the kind `T`, its private data initialised. The caller is in a critical
    /// section that lasts for `'a`.
    unsafe fn if_registered<'a>(ptr: *mut bindings::net_device) -> Option<&'a Self> {
        // SAFETY: The contract of this function.
        let registered = unsafe { (*Private::<T>::of(ptr)).is_registered() };
        // After that was withdrawn the kernel waits for a grace period, and so for this critical section,
        // before it lets go of the device, and of RTNL, without which no namespace goes.
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

    /// Sends a packet that was handed to the device on, from the link namespace through `dst`: without
    /// what it must not take along from one side of a tunnel device to the other (time stamps, its route,
    /// connection tracking), nor into another namespace (its socket, mark, and the states it came through).
    /// Returns whether it was sent, as far as is known: what waits in a queue is. Then it is counted.
    ///
    /// Softirqs have to be disabled, as they are wherever packets are sent.
    pub(crate) fn send(&self, skb: SkBuff, dst: ARef<Dst>, _rcu: &rcu::Guard) -> bool {
        let net = self.link_net().as_raw();
        let dst = Dst::into_raw(dst);
        // What is not zero is an error number, or a verdict of a queue (`NET_XMIT_DROP`), which is none.
        //
        // SAFETY: The packet and the dst are handed over, the namespace is live, and RCU is held.
        // Registered devices have per-CPU statistics (`Kind::setup`).
        unsafe { bindings::net_helper_tunnel_xmit(self.as_raw(), net, skb.into_raw(), dst) == 0 }
    }

    /// Receives a packet from the link namespace: without what it must not take along, as in
    /// [`Self::send`], and with `metadata` if there are any. It is counted.
    ///
    /// Softirqs have to be disabled, as they are wherever packets are received.
    pub(crate) fn receive(&self, skb: &mut Skb, metadata: Option<Metadata>) {
        let net = self.link_net().as_raw();
        let metadata = metadata.map_or(core::ptr::null_mut(), Metadata::into_raw);
        // SAFETY: The packet is valid and borrowed exclusively, the namespace is live, and the reference
        // to the metadata is handed over. Registered devices have per-CPU statistics (`Kind::setup`).
        unsafe { bindings::net_helper_tunnel_rcv(self.as_raw(), net, skb.as_raw(), metadata) };
    }

    /// Adds one to an error counter.
    pub(crate) fn count(&self, counter: Counter) {
        let dev = self.as_raw();
        // SAFETY: The device is live, and the counters are atomic.
        unsafe {
            match counter {
                Counter::RxErrors => bindings::net_helper_dev_stats_inc_rx_errors(dev),
                Counter::RxDropped => bindings::net_helper_dev_stats_inc_rx_dropped(dev),
                Counter::TxErrors => bindings::net_helper_dev_stats_inc_tx_errors(dev),
                Counter::TxDropped => bindings::net_helper_dev_stats_inc_tx_dropped(dev),
                Counter::TxAborted => bindings::net_helper_dev_stats_inc_tx_aborted_errors(dev),
                Counter::TxCarrier => bindings::net_helper_dev_stats_inc_tx_carrier_errors(dev),
                Counter::Collisions => bindings::net_helper_dev_stats_inc_collisions(dev),
            }
        }
    }
}

/// The error counters of a device (`struct rtnl_link_stats64`).
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

/// A device that nobody else can see yet.
pub(crate) struct Unpublished<'a> {
    dev: *mut bindings::net_device,
    _dev: PhantomData<&'a mut bindings::net_device>,
}

impl Unpublished<'_> {
    /// # Safety
    ///
    /// `dev` is valid, and nobody else uses it for as long as the result is used.
    pub(super) unsafe fn from_raw(dev: *mut bindings::net_device) -> Self {
        Self {
            dev,
            _dev: PhantomData,
        }
    }

    /// What devices without a link layer of their own, which send and receive IP packets, have:
    /// no ARP, MTU 1500 (68 to 65,535 bytes), and the `dst` kept on transmit.
    pub(crate) fn set_tunnel_defaults(&mut self) {
        // SAFETY: The type has exclusive access to the device.
        let dev = unsafe { &mut *self.dev };
        dev.header_ops = &raw const bindings::ip_tunnel_header_ops;
        // CAST: The constants are small.
        dev.type_ = bindings::ARPHRD_NONE as c_ushort;
        dev.mtu = bindings::ETH_DATA_LEN;
        dev.min_mtu = bindings::ETH_MIN_MTU;
        dev.max_mtu = bindings::IP_MAX_MTU;
        dev.flags = bindings::net_device_flags_IFF_NOARP;
        // SAFETY: As above.
        unsafe { bindings::net_helper_netif_keep_dst(self.dev) };
        // SAFETY: As above.
        unsafe { bindings::net_helper_eth_broadcast_addr(self.dev) };
    }

    /// The device needs no transmit lock.
    pub(crate) fn set_lockless(&mut self) {
        // SAFETY: The type has exclusive access to the device.
        let fields = unsafe { &mut (*self.dev).__bindgen_anon_1.__bindgen_anon_1 };
        fields.set_lltx(1);
    }

    /// Offers `features`, which can be switched on and off, and switches them on.
    pub(crate) fn add_features(&mut self, features: Features) {
        // SAFETY: The type has exclusive access to the device.
        let dev = unsafe { &mut *self.dev };
        dev.hw_features |= features.0;
        dev.features |= features.0;
    }

    /// Takes over what the device `lower`, over which this one sends, needs in front of and behind
    /// a packet, and its hardware address if this one has none.
    pub(crate) fn inherit(&mut self, lower: &NetDevice) {
        // SAFETY: `lower` is live; the fields are read once.
        let (headroom, tailroom) = unsafe {
            let lower = lower.as_raw();
            ((*lower).needed_headroom, (*lower).needed_tailroom)
        };
        // SAFETY: The type has exclusive access to the device.
        let dev = unsafe { &mut *self.dev };
        dev.needed_headroom = headroom;
        dev.needed_tailroom = tailroom;
        if self.has_no_address() {
            // SAFETY: Both devices are valid.
            unsafe { bindings::net_helper_eth_hw_addr_inherit(self.dev, lower.as_raw()) };
        }
    }

    /// Chooses a random hardware address.
    pub(crate) fn randomise_address(&mut self) {
        // SAFETY: The type has exclusive access to the device.
        unsafe { bindings::net_helper_eth_hw_addr_random(self.dev) };
    }

    fn has_no_address(&self) -> bool {
        // SAFETY: Every device has an address of MAX_ADDR_LEN bytes, of which 6 are looked at.
        let address: [u8; 6] = unsafe { *(*self.dev).dev_addr.cast() };
        address == [0; 6]
    }
}

/// The callbacks in `struct net_device_ops`.
pub(super) struct Trampolines<T: Link>(PhantomData<T>);

impl<T: Link> Trampolines<T> {
    pub(super) const OPS: bindings::net_device_ops = bindings::net_device_ops {
        ndo_init: Some(Self::init),
        ndo_uninit: Some(Self::uninit),
        ndo_start_xmit: Some(Self::start_xmit),
        ndo_get_stats64: Some(bindings::dev_get_tstats64),
        ndo_get_iflink: Some(Self::get_iflink),
        // SAFETY: Null pointers, that is no callbacks, are valid.
        ..unsafe { core::mem::MaybeUninit::zeroed().assume_init() }
    };

    /// # Safety
    ///
    /// The kernel calls this while it registers a device of this kind, with RTNL held.
    unsafe extern "C" fn init(dev: *mut bindings::net_device) -> c_int {
        // SAFETY: The registration calls this before anyone else can see the device, whose private
        // data `newlink` has initialised.
        let (data, link_net) = unsafe {
            let private = &*Private::<T>::of(dev);
            (private.data(), private.link_net())
        };
        // SAFETY: As above.
        let mut unpublished = unsafe { Unpublished::from_raw(dev) };
        // SAFETY: The kernel calls this with RTNL held.
        let rtnl = unsafe { Rtnl::assume() };
        data.init(&mut unpublished, link_net, rtnl);
        0
    }

    /// # Safety
    ///
    /// The kernel calls this once, with RTNL held, while it unregisters a device of this kind, or when it
    /// could not register one.
    unsafe extern "C" fn uninit(dev: *mut bindings::net_device) {
        // SAFETY: The kernel calls this once, with RTNL held, before the private data goes.
        let rtnl = unsafe { Rtnl::assume() };
        // SAFETY: As above.
        let state = u32::from(unsafe { (*dev).reg_state });
        // The driver has seen no other, nor does the kernel wait for references to those.
        if state == bindings::netdev_reg_state_NETREG_UNREGISTERING {
            // SAFETY: As above. It has been registered until now, and RTNL is still held.
            T::unregistered(unsafe { Device::from_raw(dev) }, rtnl);
        }
        // From here on nobody finds it registered.
        //
        // SAFETY: As above.
        unsafe { Private::<T>::unlink(dev, rtnl) };
    }

    /// # Safety
    ///
    /// The kernel calls this for a device of this kind that has been registered, with softirqs disabled,
    /// and hands over the packet.
    unsafe extern "C" fn start_xmit(
        skb: *mut bindings::sk_buff,
        dev: *mut bindings::net_device,
    ) -> bindings::netdev_tx_t {
        // SAFETY: The callback takes over the packet.
        let skb = unsafe { SkBuff::from_raw(skb) };
        let transmit = |rcu: &rcu::Guard| {
            // Packet sockets that bypass the queues look whether the device is up before they disable
            // softirqs, and so may come when it has been unregistered.
            //
            // SAFETY: The kernel calls this for a device that it has a reference to, in a critical section.
            match unsafe { Device::if_registered(dev) } {
                Some(dev) => T::transmit(dev, skb, rcu),
                None => skb.free(DropReason::DEVICE_NOT_READY),
            }
        };
        // SAFETY: The kernel calls this with softirqs disabled.
        unsafe { with_softirqs_disabled(transmit) };
        bindings::netdev_tx_NETDEV_TX_OK
    }

    /// # Safety
    ///
    /// The kernel calls this for a device of this kind whose private data is initialised.
    unsafe extern "C" fn get_iflink(dev: *const bindings::net_device) -> c_int {
        // SAFETY: The kernel calls this for devices that `newlink` has got as far as registering, and may
        // do so when they were unregistered.
        unsafe { (*Private::<T>::of(dev.cast_mut())).data() }.link()
    }
}
