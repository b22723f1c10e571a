// SPDX-License-Identifier: GPL-2.0

//! Kinds of network devices that rtnetlink creates, changes, dumps and deletes.
//!
//! C header: [`include/net/rtnetlink.h`](srctree/include/net/rtnetlink.h)

use crate::{
    bindings,
    net::{
        device::{
            Device,
            Trampolines,
            Unpublished, //
        },
        namespace::{
            Hold,
            Net,
            PerNet,
            PerNetRegistration,
            PerNetSlot,
            SlotRef, //
        },
        netlink::{
            Attrs,
            ExtAck,
            Message,
            Policy,
            Rule, //
        },
        skb::SkBuff, //
    }, //
};

use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    sync::atomic::{
        AtomicBool,
        Ordering, //
    }, //
};

use kernel::{
    error::{
        from_result,
        to_result, //
    },
    prelude::*,
    sync::rcu,
    types::{
        NotThreadSafe,
        Opaque, //
    }, //
};

/// Evidence that RTNL is held by the current thread.
pub(crate) struct Rtnl(NotThreadSafe);

impl Rtnl {
    /// # Safety
    ///
    /// RTNL is held for as long as the result is used.
    pub(super) unsafe fn assume<'a>() -> &'a Self {
        const HELD: &Rtnl = &Rtnl(NotThreadSafe);
        // SAFETY: It only looks, and warns if the lock is not held.
        unsafe { bindings::net_helper_assert_rtnl() };
        HELD
    }
}

/// Waits until every packet that is being handled now has been.
pub(crate) fn synchronize_net(_rtnl: &Rtnl) {
    // SAFETY: RTNL is held in process context, which may sleep.
    unsafe { bindings::synchronize_net() };
}

/// Devices that are about to be unregistered together.
pub(crate) struct KillList<'a> {
    head: *mut bindings::list_head,
    _head: PhantomData<&'a mut bindings::list_head>,
}

impl KillList<'_> {
    /// # Safety
    ///
    /// `head` is a list of such devices, valid for as long as the result is used.
    pub(super) unsafe fn from_raw(head: *mut bindings::list_head) -> Self {
        Self {
            head,
            _head: PhantomData,
        }
    }
}

/// A kind of devices. The value itself is what the driver keeps for one device.
#[vtable]
pub(crate) trait Link: Sized + Send + Sync + 'static {
    /// What the driver keeps for one network namespace.
    type PerNet: Send + Sync + 'static;

    /// The name of the kind (`IFLA_INFO_KIND`).
    const NAME: &'static CStr;

    /// The room that [`Self::fill_info`] needs, in bytes.
    const INFO_SIZE: usize;

    /// The `static` that stands for this kind.
    const KIND: KindRef<Self>;

    /// Makes the data of one namespace.
    fn per_net() -> impl PinInit<Self::PerNet, Error>;

    /// A namespace goes away; the devices whose link namespace it is are gone, others that are in it
    /// may be there for a moment. What [`Kind::hold`] has given out for it has to be dropped.
    fn namespace_exit(net: &Net);

    /// Sets what all new devices have in common.
    fn setup(dev: &mut Unpublished<'_>);

    /// Makes the data of a device that is to be created, from the attributes of the request.
    fn new(request: &NewLink<'_>, ack: &mut ExtAck<'_>, rtnl: &Rtnl) -> Result<Self>;

    /// Sets what depends on the data, before others can see the device.
    fn init(&self, dev: &mut Unpublished<'_>, link_net: &Net, rtnl: &Rtnl);

    /// The device is registered. An error unregisters it again.
    fn registered(dev: &Device<Self>, ack: &mut ExtAck<'_>, rtnl: &Rtnl) -> Result;

    /// The device is being unregistered; called also after [`Self::registered`] failed, or when others
    /// refused the device before that was reached.
    fn unregistered(dev: &Device<Self>, rtnl: &Rtnl);

    /// Changes a device. An error leaves it as it was.
    fn change(
        dev: &Device<Self>,
        request: &ChangeLink<'_>,
        ack: &mut ExtAck<'_>,
        rtnl: &Rtnl,
    ) -> Result;

    /// Adds the attributes of a device to a message.
    fn fill_info(dev: &Device<Self>, message: &mut Message<'_>) -> Result;

    /// The index, in the link namespace, of the device over which this one sends; 0 if it is bound
    /// to none.
    fn link(&self) -> c_int;

    /// Sends a packet. Softirqs are disabled.
    fn transmit(dev: &Device<Self>, skb: SkBuff, rcu: &rcu::Guard);
}

/// A request to create a device.
pub(crate) struct NewLink<'a> {
    /// The attributes in `IFLA_INFO_DATA`.
    pub(crate) attrs: Attrs<'a>,
    /// The namespace to send to and receive from: `IFLA_LINK_NETNSID`, else the device's own.
    pub(crate) link_net: &'a Net,
}

/// A request to change a device.
pub(crate) struct ChangeLink<'a> {
    /// The attributes in `IFLA_INFO_DATA`.
    pub(crate) attrs: Attrs<'a>,
    /// Whether the sender has `CAP_NET_ADMIN` in the link namespace.
    pub(crate) link_net_capable: bool,
}

/// The private area of a device of the kind `T`. The kernel allocates it filled with zeroes.
///
/// # Invariants
///
/// If `initialised`, `link_net` and `data` are. `registered` devices are, or are about to be, and are in
/// the list of their link namespace, and so are unregistered before that goes; RTNL protects the list.
/// After that is withdrawn, a grace period passes before RTNL is released or the device goes.
#[repr(C)]
pub(super) struct Private<T: Link> {
    initialised: AtomicBool,
    registered: AtomicBool,
    link_net: *const bindings::net,
    node: Opaque<bindings::list_head>,
    dev: *mut bindings::net_device,
    data: MaybeUninit<T>,
}

impl<T: Link> Private<T> {
    pub(super) fn of(dev: *mut bindings::net_device) -> *mut Self {
        const { assert!(align_of::<Self>() <= bindings::NETDEV_ALIGN as usize) };
        // SAFETY: It only adds to the pointer.
        unsafe { (&raw const (*dev).priv_).cast_mut().cast() }
    }

    /// # Safety
    ///
    /// The area is initialised.
    pub(super) unsafe fn data(&self) -> &T {
        // SAFETY: The contract of this function, and the type invariant.
        unsafe { self.data.assume_init_ref() }
    }

    /// # Safety
    ///
    /// The area is initialised.
    pub(super) unsafe fn link_net(&self) -> &Net {
        // SAFETY: By the type invariant; whoever refers to the device is where it has been found
        // registered, or is about to be.
        unsafe { Net::from_raw(self.link_net) }
    }

    /// Whether the device has not been unregistered. Its private data need not be initialised.
    pub(super) fn is_registered(&self) -> bool {
        // Whoever reads this has found the device, and with it all that was written before. What was read
        // before it was withdrawn holds until a grace period has passed.
        self.registered.load(Ordering::Relaxed)
    }

    /// # Safety
    ///
    /// `dev` is a new device of this kind, which nobody else can see.
    unsafe fn initialise(dev: *mut bindings::net_device, link_net: &Net, data: T) {
        let private = Self::of(dev);
        // SAFETY: The contract of this function.
        unsafe {
            (*private).link_net = link_net.as_raw();
            (*private).dev = dev;
            (*private).data.write(data);
            // INVARIANT: Both were just written.
            (*private).initialised.store(true, Ordering::Release);
            (*dev).priv_destructor = Some(Self::destroy);
        }
    }

    /// Drops the data, once. The kernel calls it when a device that was registered goes, and in
    /// some of the cases in which the registration fails; `newlink` in the others.
    ///
    /// # Safety
    ///
    /// `dev` is of this kind, and nobody uses its private data any more.
    unsafe extern "C" fn destroy(dev: *mut bindings::net_device) {
        // SAFETY: The device is valid, and nobody uses it any more.
        let private = unsafe { &mut *Self::of(dev) };
        if core::mem::take(private.initialised.get_mut()) {
            // SAFETY: By the type invariant it was initialised, and is not any more.
            unsafe { private.data.assume_init_drop() };
        }
    }

    /// Adds the device to the list of its link namespace.
    ///
    /// # Safety
    ///
    /// The device is about to be registered, its private data initialised, and in no list.
    unsafe fn link(dev: *mut bindings::net_device, devices: &Devices<T>, _rtnl: &Rtnl) {
        // SAFETY: The contract of this function; RTNL is held, and the list is valid.
        unsafe {
            let private = Self::of(dev);
            let node = (*private).node.get();
            let head = devices.head.get();
            let first = (*head).next;
            *node = bindings::list_head {
                next: first,
                prev: head,
            };
            (*first).prev = node;
            (*head).next = node;
            // INVARIANT: It is in the list.
            (*private).registered.store(true, Ordering::Relaxed);
        }
    }

    /// Takes the device out of the list of its link namespace, if it is there.
    ///
    /// # Safety
    ///
    /// The device is of this kind, its private data initialised. It was never visible, or a grace period
    /// passes before RTNL is released and before it is freed.
    pub(super) unsafe fn unlink(dev: *mut bindings::net_device, _rtnl: &Rtnl) {
        // SAFETY: The contract of this function; RTNL is held, and the neighbours in the list are
        // valid by the type invariant.
        unsafe {
            let private = Self::of(dev);
            if (*private).registered.swap(false, Ordering::Relaxed) {
                let bindings::list_head { next, prev } = *(*private).node.get();
                (*prev).next = next;
                (*next).prev = prev;
            }
        }
    }
}

/// The devices with a certain link namespace, and what the driver keeps for that.
#[pin_data]
pub(crate) struct Devices<T: Link> {
    /// The head of a list of [`Private::node`].
    #[pin]
    head: Opaque<bindings::list_head>,
    #[pin]
    data: T::PerNet,
}

// SAFETY: The list is protected by RTNL, and the data may be shared.
unsafe impl<T: Link> Send for Devices<T> {}
// SAFETY: As above.
unsafe impl<T: Link> Sync for Devices<T> {}

impl<T: Link> PerNet for Devices<T> {
    const SLOT: SlotRef<Self> = {
        // SAFETY: It is in a `static`, by the contract of `KindRef`.
        unsafe { SlotRef::from_raw(&raw const (*T::KIND.0).namespaces) }
    };

    fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            head <- Opaque::ffi_init(|head: *mut bindings::list_head| {
                // SAFETY: `head` is valid for writes, and pinned. An empty list points to itself.
                unsafe { head.write(bindings::list_head { next: head, prev: head }) }
            }),
            data <- T::per_net(),
        })
    }

    fn exit(net: &Net) {
        T::namespace_exit(net);
    }

    fn exit_rtnl(self: Pin<&Self>, kill: &mut KillList<'_>, _rtnl: &Rtnl) {
        let head = self.head.get();
        // SAFETY: RTNL protects the list, whose members are linked through `node`. They stay in it
        // until the kernel unregisters what is in `kill`.
        unsafe {
            let mut node = (*head).next;
            while !core::ptr::eq(node, head) {
                let private = kernel::container_of!(Opaque::cast_from(node), Private<T>, node);
                bindings::unregister_netdevice_queue((*private).dev, kill.head);
                node = (*node).next;
            }
        }
    }
}

/// Which `static` is the kind of the devices whose data are of type `T`. A constant, because the
/// kernel's callbacks have to find the same one each time.
pub(crate) struct KindRef<T: Link>(*const Kind<T>);

impl<T: Link> KindRef<T> {
    /// The kind is `kind`.
    pub(crate) const fn new(kind: &'static Kind<T>) -> Self {
        Self(kind)
    }

    /// The kind.
    pub(crate) const fn get(self) -> &'static Kind<T> {
        // SAFETY: The pointer was made from such a reference.
        unsafe { &*self.0 }
    }
}

/// A kind of devices, to be declared as a `static`.
pub(crate) struct Kind<T: Link> {
    /// In memory that is read-only, as the rest of this is not. What tells the devices of the kind from
    /// others is the address, which nothing promises to be the same each time the constant is used.
    netdev_ops: &'static bindings::net_device_ops,
    link_ops: Opaque<bindings::rtnl_link_ops>,
    rules: &'static [Rule],
    namespaces: PerNetSlot<Devices<T>>,
    taken: AtomicBool,
}

// SAFETY: `link_ops` is written once, under `taken`, and then used by the kernel only; the rest is
// immutable or made to be shared.
unsafe impl<T: Link> Sync for Kind<T> {}

impl<T: Link> Kind<T> {
    /// A kind that is not registered yet. `policy` is for the attributes in `IFLA_INFO_DATA`.
    pub(crate) const fn new<const N: usize>(policy: &'static Policy<N>) -> Self {
        Self {
            netdev_ops: &Trampolines::<T>::OPS,
            link_ops: Opaque::uninit(),
            rules: policy.rules(),
            namespaces: PerNetSlot::new(),
            taken: AtomicBool::new(false),
        }
    }

    pub(super) fn netdev_ops(&self) -> &'static bindings::net_device_ops {
        self.netdev_ops
    }

    /// Prepares every namespace for devices of this kind.
    pub(crate) fn register_namespaces(&'static self) -> Result<Namespaces<T>> {
        Ok(Namespaces {
            _slot: self.namespaces.register()?,
        })
    }

    /// Lets rtnetlink create devices of this kind. Fails with `EEXIST` when the name is taken, and with
    /// `EINVAL` when this is not [`Link::KIND`].
    pub(crate) fn register(&'static self, _namespaces: &Namespaces<T>) -> Result<Registration<T>> {
        // The callbacks work on that one.
        if !core::ptr::eq(self, T::KIND.0) {
            return Err(EINVAL);
        }
        if self.taken.swap(true, Ordering::Relaxed) {
            return Err(EBUSY);
        }
        let ops = bindings::rtnl_link_ops {
            kind: T::NAME.as_char_ptr(),
            // CAST: Policies have a handful of rules.
            maxtype: self.rules.len().saturating_sub(1) as c_uint,
            policy: self.rules.as_ptr().cast(),
            priv_size: size_of::<Private<T>>(),
            setup: Some(Self::setup),
            newlink: Some(Self::newlink),
            changelink: Some(Self::changelink),
            dellink: Some(Self::dellink),
            get_size: Some(Self::get_size),
            fill_info: Some(Self::fill_info),
            get_link_net: Some(Self::get_link_net),
            // SAFETY: Zeroes are what C leaves in the fields that are not named.
            ..unsafe { MaybeUninit::zeroed().assume_init() }
        };
        // SAFETY: `taken` makes this the only writer, and nobody reads before the registration.
        unsafe { self.link_ops.get().write(ops) };
        // SAFETY: The operations are initialised and static, and fit each other.
        let ret = unsafe { bindings::rtnl_link_register(self.link_ops.get()) };
        to_result(ret).inspect_err(|_| self.taken.store(false, Ordering::Relaxed))?;
        Ok(Registration { kind: self })
    }

    /// What the driver keeps for the namespace `net`; `None` while it keeps nothing.
    pub(crate) fn per_net<'g>(&self, net: &Net, rcu: &'g rcu::Guard) -> Option<Pin<&'g T::PerNet>> {
        let devices = self.namespaces.get(net, rcu)?;
        // SAFETY: `data` is structurally pinned.
        Some(unsafe { devices.map_unchecked(|devices| &devices.data) })
    }

    /// As [`Self::per_net`], for those who hold RTNL.
    pub(crate) fn per_net_rtnl<'g>(
        &self,
        net: &'g Net,
        rtnl: &'g Rtnl,
    ) -> Option<Pin<&'g T::PerNet>> {
        let devices = self.namespaces.get_rtnl(net, rtnl)?;
        // SAFETY: `data` is structurally pinned.
        Some(unsafe { devices.map_unchecked(|devices| &devices.data) })
    }

    /// Keeps what packets refer to in `net`; `None` once it is being removed.
    pub(crate) fn hold(&self, net: &Net, rcu: &rcu::Guard) -> Option<Hold> {
        self.namespaces.hold(net, rcu)
    }

    /// # Safety
    ///
    /// The kernel calls this for a device that it has just allocated for this kind.
    pub(super) unsafe extern "C" fn setup(dev: *mut bindings::net_device) {
        // SAFETY: The kernel has just allocated the device.
        unsafe {
            (*dev).netdev_ops = T::KIND.get().netdev_ops();
            (*dev).needs_free_netdev = true;
            // What `Device::send`, `Device::receive` and `dev_get_tstats64()` take for granted.
            (*dev).set_pcpu_stat_type(bindings::netdev_stat_type_NETDEV_PCPU_STAT_TSTATS);
        }
        // SAFETY: As above.
        T::setup(&mut unsafe { Unpublished::from_raw(dev) });
    }

    /// # Safety
    ///
    /// The kernel calls this for a device that `setup` has seen, and for a request, with RTNL held.
    pub(super) unsafe extern "C" fn newlink(
        dev: *mut bindings::net_device,
        params: *mut bindings::rtnl_newlink_params,
        extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: The kernel passes what it has made and checked for this request, with RTNL held.
        let (request, mut ack, rtnl) = unsafe {
            let mut link_net: *const bindings::net = (*params).link_net;
            if link_net.is_null() {
                link_net = bindings::net_helper_dev_net(dev);
            }
            let request = NewLink {
                attrs: Attrs::from_raw((*params).data, T::KIND.get().rules.len()),
                link_net: Net::from_raw(link_net),
            };
            (request, ExtAck::from_raw(extack), Rtnl::assume())
        };
        from_result(|| {
            // A namespace without data is being removed.
            let devices = T::KIND.get().namespaces.get_rtnl(request.link_net, rtnl);
            let devices = devices.ok_or(ENODEV)?;
            let data = T::new(&request, &mut ack, rtnl)?;
            // SAFETY: `dev` is new.
            unsafe { Private::initialise(dev, request.link_net, data) };
            // SAFETY: As above, and it is registered next.
            unsafe { Private::<T>::link(dev, &devices, rtnl) };
            // SAFETY: `dev` is set up and its private data initialised; RTNL is held.
            to_result(unsafe { bindings::register_netdevice(dev) }).inspect_err(|_| {
                // One that had become visible is taken down by the kernel, which calls `ndo_uninit`, and the
                // destructor when nobody refers to it any more.
                //
                // SAFETY: The device is valid. If it was never registered, nobody else has seen it.
                unsafe {
                    if u32::from((*dev).reg_state)
                        == bindings::netdev_reg_state_NETREG_UNINITIALIZED
                    {
                        Private::<T>::unlink(dev, rtnl);
                        Private::<T>::destroy(dev);
                    }
                }
            })?;
            // SAFETY: The device is registered.
            T::registered(unsafe { Device::from_raw(dev) }, &mut ack, rtnl).inspect_err(|_| {
                // SAFETY: The device is registered; the caller's free_netdev() does the rest.
                unsafe { bindings::unregister_netdevice_queue(dev, core::ptr::null_mut()) }
            })?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// The kernel calls this for a registered device of this kind and a request, with RTNL held.
    unsafe extern "C" fn changelink(
        dev: *mut bindings::net_device,
        _tb: *mut *mut bindings::nlattr,
        data: *mut *mut bindings::nlattr,
        extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: The kernel passes a registered device of this kind and what it has checked of the
        // request, with RTNL held.
        let (dev, attrs, mut ack, rtnl) = unsafe {
            (
                Device::<T>::from_raw(dev),
                Attrs::from_raw(data, T::KIND.get().rules.len()),
                ExtAck::from_raw(extack),
                Rtnl::assume(),
            )
        };
        // SAFETY: Both are live.
        let link_net_capable =
            unsafe { bindings::rtnl_dev_link_net_capable(dev.as_raw(), dev.link_net().as_raw()) };
        let request = ChangeLink {
            attrs,
            link_net_capable,
        };
        from_result(|| T::change(dev, &request, &mut ack, rtnl).map(|()| 0))
    }

    /// # Safety
    ///
    /// The kernel calls this for a registered device of this kind, with RTNL held.
    unsafe extern "C" fn dellink(dev: *mut bindings::net_device, kill: *mut bindings::list_head) {
        // SAFETY: The kernel passes a registered device and a list, with RTNL held.
        unsafe { bindings::unregister_netdevice_queue(dev, kill) };
    }

    /// # Safety
    ///
    /// The kernel calls this for a registered device of this kind.
    unsafe extern "C" fn get_size(_dev: *const bindings::net_device) -> usize {
        T::INFO_SIZE
    }

    /// # Safety
    ///
    /// The kernel calls this for a registered device of this kind and a message that it builds.
    unsafe extern "C" fn fill_info(
        skb: *mut bindings::sk_buff,
        dev: *const bindings::net_device,
    ) -> c_int {
        // SAFETY: The kernel passes a message it is building and a registered device of this kind.
        let (mut message, dev) = unsafe { (Message::from_raw(skb), Device::from_raw(dev)) };
        from_result(|| T::fill_info(dev, &mut message).map(|()| 0))
    }

    /// # Safety
    ///
    /// The kernel calls this for a registered device of this kind.
    unsafe extern "C" fn get_link_net(dev: *const bindings::net_device) -> *mut bindings::net {
        // SAFETY: The kernel passes a registered device of this kind.
        unsafe { Device::<T>::from_raw(dev) }.link_net().as_raw()
    }
}

/// Every namespace is prepared for devices of the kind; undone when dropped.
pub(crate) struct Namespaces<T: Link> {
    _slot: PerNetRegistration<Devices<T>>,
}

/// A kind is registered. When dropped, its devices are unregistered, in all namespaces.
pub(crate) struct Registration<T: Link> {
    kind: &'static Kind<T>,
}

impl<T: Link> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: It was registered, and is unregistered once.
        unsafe { bindings::rtnl_link_unregister(self.kind.link_ops.get()) };
        self.kind.taken.store(false, Ordering::Relaxed);
    }
}
