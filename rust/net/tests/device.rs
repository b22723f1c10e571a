// SPDX-License-Identifier: GPL-2.0

//! Devices that are kept, what is left of them when they were unregistered, and packets that wait
//! for them.

use super::packet::packet;

use crate::{
    bindings,
    net::{
        link::{
            ChangeLink,
            Device,
            DeviceOps,
            KeptDevice,
            Kind,
            KindRef,
            LinkOps,
            NamespaceOps,
            NewLink,
            Private,
            UnregisteredDevice,
            VTable, //
        },
        net_namespace::Net,
        netdevice::NetDevice,
        netlink::{
            ExtAck,
            Message,
            Policy,
            Rule, //
        },
        rtnl::Rtnl,
        skb::{
            DropReason,
            OwnedSkBuff, //
        },
        xfrm::Waiting, //
    }, //
};

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu, //
    }, //
};

static POLICY: Policy<1> = Policy::new([Rule::unspec()]);

static KIND: Kind<Plain> = Kind::new(&POLICY);

static SENT: Atomic<u32> = Atomic::new(0);
static UNREGISTERED: Atomic<u32> = Atomic::new(0);
static DROPPED: Atomic<u32> = Atomic::new(0);

/// A device that counts what happens to it.
pub(crate) struct Plain;

impl Drop for Plain {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Relaxed);
    }
}

impl LinkOps for Plain {
    const NAME: &'static CStr = c"xfrmi_kunit";

    const INFO_SIZE: usize = 0;

    const KIND: KindRef<Self> = KindRef::new(&KIND);

    type Namespace = Nothing;

    fn setup(dev: &mut UnregisteredDevice<'_>) {
        dev.set_tunnel_defaults();
    }

    fn newlink(_request: &NewLink<'_>, _ack: &mut ExtAck<'_>, _rtnl: &Rtnl) -> Result<Self> {
        Ok(Self)
    }

    fn registered(_dev: &Device<Self>, _ack: &mut ExtAck<'_>, _rtnl: &Rtnl) -> Result {
        Ok(())
    }

    fn changelink(
        _dev: &Device<Self>,
        _request: &ChangeLink<'_>,
        _ack: &mut ExtAck<'_>,
        _rtnl: &Rtnl,
    ) -> Result {
        Ok(())
    }

    fn fill_info(_dev: &Device<Self>, _message: &mut Message<'_>) -> Result {
        Ok(())
    }
}

impl DeviceOps for Plain {
    fn init(&self, _dev: &mut UnregisteredDevice<'_>, _link_net: &Net, _rtnl: &Rtnl) {}

    fn uninit(dev: &Device<Self>, _rtnl: &Rtnl) {
        UNREGISTERED.fetch_add(1, Relaxed);
        // It is there still, and so is its link namespace.
        assert!(KeptDevice::new(dev).get(&rcu::read_lock()).is_some());
    }

    fn start_xmit(_dev: &Device<Self>, skb: OwnedSkBuff, _rcu: &rcu::Guard) {
        SENT.fetch_add(1, Relaxed);
        skb.free(DropReason::IP_OUTNOROUTES);
    }

    fn get_iflink(&self) -> c_int {
        0
    }
}

/// What is kept for a namespace.
pub(crate) struct Nothing;

impl NamespaceOps for Nothing {
    fn init() -> impl PinInit<Self, Error> {
        Ok(Self)
    }

    fn exit(_net: &Net) {}
}

#[allow(
    improper_ctypes,
    reason = "some of what a device has is empty where it is not configured"
)]
extern "C" {
    fn rtnl_lock();
    fn rtnl_unlock();
    fn alloc_netdev_mqs(
        size: c_int,
        name: *const c_char,
        name_assign_type: c_uchar,
        setup: unsafe extern "C" fn(*mut bindings::net_device),
        txqs: c_uint,
        rxqs: c_uint,
    ) -> *mut bindings::net_device;
    fn free_netdev(dev: *mut bindings::net_device);
}

/// RTNL is held while it lives. What was unregistered goes when it is dropped.
struct Lock;

impl Lock {
    fn take() -> Self {
        // SAFETY: This is process context, and nobody here holds RTNL.
        unsafe { rtnl_lock() };
        Self
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // SAFETY: It is held.
        unsafe { rtnl_unlock() };
    }
}

/// Registers a device of the kind, in the first namespace.
fn register(_lock: &Lock) -> Result<*mut bindings::net_device> {
    const NET_NAME_ENUM: c_uchar = 1;

    // CAST: The area has a few bytes.
    let size = size_of::<Private<Plain>>() as c_int;
    let name = c"kunit%d".as_char_ptr();
    // SAFETY: It only allocates, and `setup` is for devices with such an area.
    let dev = unsafe { alloc_netdev_mqs(size, name, NET_NAME_ENUM, Kind::<Plain>::setup, 1, 1) };
    if dev.is_null() {
        return Err(ENOMEM);
    }
    let mut params = bindings::rtnl_newlink_params::default();
    // SAFETY: The device is new, and RTNL is held. Without a link namespace it is that of the
    // device.
    let ret = unsafe { Kind::<Plain>::newlink(dev, &raw mut params, core::ptr::null_mut()) };
    if ret != 0 {
        // SAFETY: It was not registered.
        unsafe { free_netdev(dev) };
    }
    kernel::error::to_result(ret)?;
    Ok(dev)
}

/// Has the device transmit a packet.
fn transmit(dev: *mut bindings::net_device) -> Result {
    let skb = packet(&[0; 20])?;
    let _rcu = rcu::read_lock();
    let start_xmit = VTable::<Plain>::OPS.ndo_start_xmit.ok_or(EINVAL)?;
    // SAFETY: The device is live, and the packet handed over. The device of this test is content
    // with a critical section.
    unsafe { start_xmit(skb.into_raw(), dev) };
    Ok(())
}

fn is_ours(dev: *mut bindings::net_device, _rcu: &rcu::Guard) -> bool {
    // SAFETY: The device is live, and this is what tells whether it is registered.
    unsafe { NetDevice::from_raw(dev) }
        .downcast::<Plain>()
        .is_some()
}

/// Says that the device is up, or that it is not.
fn set_up(dev: *mut bindings::net_device, _lock: &Lock, up: bool) {
    let flag = bindings::net_device_flags_IFF_UP;
    // SAFETY: The device is live, RTNL is held, and nobody else knows of it.
    unsafe {
        if up {
            (*dev).flags |= flag;
        } else {
            (*dev).flags &= !flag;
        }
    }
}

/// Does not send a packet yet.
fn not_yet(_dev: &Device<Plain>, skb: OwnedSkBuff, _rcu: &rcu::Guard) -> Option<OwnedSkBuff> {
    SENT.fetch_add(1, Relaxed);
    Some(skb)
}

/// Has a packet sent, or dropped.
fn done(_dev: &Device<Plain>, skb: OwnedSkBuff, _rcu: &rcu::Guard) -> Option<OwnedSkBuff> {
    SENT.fetch_add(1, Relaxed);
    skb.free(DropReason::IP_OUTNOROUTES);
    None
}

#[kunit_tests(xfrmi_device)]
mod cases {
    use super::*;

    #[test]
    fn packets_wait_while_it_is_up() -> Result {
        let _namespaces = KIND.register_namespaces()?;
        let lock = Lock::take();
        let dev = register(&lock)?;
        let wait = || {
            let (skb, rcu) = (packet(&[0; 20])?, rcu::read_lock());
            // SAFETY: It is registered, and RTNL is held.
            Waiting::new(skb, unsafe { Device::<Plain>::from_raw(dev) }, &rcu).map_err(|_| EINVAL)
        };
        let (one, two, three, four) = (wait()?, wait()?, wait()?, wait()?);
        set_up(dev, &lock, true);
        let sent = SENT.load(Relaxed);
        {
            let rcu = rcu::read_lock();
            let one = one.retry(not_yet, &rcu).ok_or(EINVAL)?;
            assert_eq!(SENT.load(Relaxed), sent + 1);
            assert!(one.device(&rcu).is_some());
            assert!(one.retry(done, &rcu).is_none());
            assert_eq!(SENT.load(Relaxed), sent + 2);
        }
        set_up(dev, &lock, false);
        // Now nobody gets to see them.
        assert!(two.device(&rcu::read_lock()).is_none());
        assert!(two.retry(not_yet, &rcu::read_lock()).is_none());
        // SAFETY: It is registered, and RTNL is held.
        unsafe { bindings::unregister_netdevice_queue(dev, core::ptr::null_mut()) };
        assert!(three.device(&rcu::read_lock()).is_none());
        assert!(three.retry(not_yet, &rcu::read_lock()).is_none());
        assert_eq!(SENT.load(Relaxed), sent + 2);
        // The device would be waited for, and so would the namespace's registration.
        drop(four);
        drop(lock);
        Ok(())
    }

    #[test]
    fn kept_until_unregistered() -> Result {
        let _namespaces = KIND.register_namespaces()?;
        let (sent, unregistered) = (SENT.load(Relaxed), UNREGISTERED.load(Relaxed));
        let dropped = DROPPED.load(Relaxed);
        let lock = Lock::take();
        let dev = register(&lock)?;
        // SAFETY: It is registered, and RTNL is held.
        let kept = KeptDevice::<Plain>::new(unsafe { Device::from_raw(dev) });
        {
            let rcu = rcu::read_lock();
            let found = kept.get(&rcu).ok_or(EINVAL)?;
            assert!(kept.is(found));
            assert!(found.link_net().is(found.net(&rcu)));
            assert!(is_ours(dev, &rcu));
        }
        transmit(dev)?;
        assert_eq!(SENT.load(Relaxed), sent + 1);

        // SAFETY: It is registered, and RTNL is held.
        unsafe { bindings::unregister_netdevice_queue(dev, core::ptr::null_mut()) };
        // There is memory of it until RTNL is released, but nothing that could be done with it.
        assert_eq!(UNREGISTERED.load(Relaxed), unregistered + 1);
        assert_eq!(DROPPED.load(Relaxed), dropped);
        assert!(kept.get(&rcu::read_lock()).is_none());
        assert!(!is_ours(dev, &rcu::read_lock()));
        transmit(dev)?;
        assert_eq!(SENT.load(Relaxed), sent + 1);

        // It would be waited for.
        drop(kept);
        drop(lock);
        assert_eq!(DROPPED.load(Relaxed), dropped + 1);
        Ok(())
    }
}
