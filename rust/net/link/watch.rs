// SPDX-License-Identifier: GPL-2.0

//! Devices that are told of the routes in their namespace.
//!
//! [`Device::watch_routes`] tells the device of the routes that there are, and from then on of each
//! change. It ends with [`Device::unwatch_routes`], or when the device is unregistered, or the
//! namespace goes. A device that moves to another namespace has to end it, and to begin anew.
//!
//! Both are called in process context, with RTNL held.
//!
//! C sources: [`net/core/fib_notifier.c`](srctree/net/core/fib_notifier.c),
//! [`net/ipv4/nexthop.c`](srctree/net/ipv4/nexthop.c)
//!
//! # Examples
//!
//! ```
//! use crate::net::{
//!     link::{
//!         Device,
//!         LinkOps, //
//!     },
//!     rtnl::Rtnl, //
//! };
//!
//! /// Has a device learn the routes from the beginning.
//! fn again<T: LinkOps>(dev: &Device<T>, rtnl: &Rtnl) -> Result {
//!     dev.unwatch_routes(rtnl);
//!     dev.watch_routes(rtnl)
//! }
//! # let _: fn(&Device<crate::net::tests::device::Plain>, &Rtnl) -> Result = again;
//! ```

use super::{
    device::Device,
    kept::KeptDevice,
    kind::Kind,
    LinkOps, //
};

use crate::{
    bindings,
    net::{
        fib_events::FibEvent,
        net_namespace::Net,
        rtnl::Rtnl, //
    }, //
};

use core::marker::PhantomData;

use kernel::{
    error::to_result,
    prelude::*,
    rbtree::RBTree,
    sync::rcu,
    types::Opaque, //
};

/// A notifier chain of a namespace.
///
/// # Safety
///
/// The kernel calls a block that `register` has put into the chain only as the contract of
/// [`Self::called`] demands, and in no other namespace. It does not call the block any more when
/// `unregister` has returned.
unsafe trait NetChain: 'static {
    /// Puts `block` into the chain of `net`. Returns 0 or a negative error number. May sleep.
    ///
    /// # Safety
    ///
    /// `block` is that of a [`Block`] for a device of the kind `T`, initialised as all of that is,
    /// and stays where it is until `unregister` has taken it out. The namespace is live.
    unsafe fn register<T: LinkOps>(
        net: *mut bindings::net,
        block: *mut bindings::notifier_block,
    ) -> c_int;

    /// Takes `block` out of the chain. May sleep.
    ///
    /// # Safety
    ///
    /// `block` is in the chain of `net`, which is live.
    unsafe fn unregister(net: *mut bindings::net, block: *mut bindings::notifier_block);

    /// Tells the device of an event.
    ///
    /// # Safety
    ///
    /// `info` is what the chain passes for `event`.
    unsafe fn called<T: LinkOps>(
        dev: &Device<T>,
        event: c_ulong,
        info: *const c_void,
        rcu: &rcu::Guard,
    ) -> Result;
}

/// The chain of FIB events (`register_fib_notifier()`). When a block is put there it is told of all
/// routes, as if they had just come.
struct FibChain;

// SAFETY: The kernel passes an event and what belongs to it; to take a block out waits for RCU.
unsafe impl NetChain for FibChain {
    unsafe fn register<T: LinkOps>(
        net: *mut bindings::net,
        block: *mut bindings::notifier_block,
    ) -> c_int {
        /// Has the driver forget what it was told, because the routes have changed meanwhile: it is
        /// told of all of them once more.
        ///
        /// # Safety
        ///
        /// The kernel calls this for a block that is not in the chain.
        unsafe extern "C" fn again<T: LinkOps>(block: *mut bindings::notifier_block) {
            // SAFETY: The contract of `register`.
            let block = unsafe { Block::<T, FibChain>::of(block) };
            if let Some(dev) = block.dev.get(&rcu::read_lock()) {
                T::forget_routes(dev);
            }
        }

        let again = Some(again::<T> as unsafe extern "C" fn(_));
        // SAFETY: The contract of this function.
        unsafe { bindings::register_fib_notifier(net, block, again, core::ptr::null_mut()) }
    }

    unsafe fn unregister(net: *mut bindings::net, block: *mut bindings::notifier_block) {
        // SAFETY: The contract of this function.
        unsafe { bindings::unregister_fib_notifier(net, block) };
    }

    unsafe fn called<T: LinkOps>(
        dev: &Device<T>,
        event: c_ulong,
        info: *const c_void,
        rcu: &rcu::Guard,
    ) -> Result {
        // SAFETY: The contract of this function.
        match unsafe { FibEvent::from_raw(event, info, rcu) } {
            Some(event) => T::routes_changed(dev, &event, rcu),
            None => Ok(()),
        }
    }
}

/// The chain of events of nexthop objects (`register_nexthop_notifier()`).
struct NexthopChain;

// SAFETY: The kernel passes a `struct nh_notifier_info`; the chain has a lock of its own.
unsafe impl NetChain for NexthopChain {
    unsafe fn register<T: LinkOps>(
        net: *mut bindings::net,
        block: *mut bindings::notifier_block,
    ) -> c_int {
        // The kernel's function takes RTNL, which is held here, and tells of all objects, of which
        // those count that routes refer to.
        //
        // SAFETY: The contract of this function.
        unsafe {
            let chain = &raw mut (*net).nexthop.notifier_chain;
            bindings::blocking_notifier_chain_register(chain, block)
        }
    }

    unsafe fn unregister(net: *mut bindings::net, block: *mut bindings::notifier_block) {
        // SAFETY: The contract of this function.
        unsafe {
            let chain = &raw mut (*net).nexthop.notifier_chain;
            bindings::blocking_notifier_chain_unregister(chain, block);
        }
    }

    unsafe fn called<T: LinkOps>(
        dev: &Device<T>,
        _event: c_ulong,
        info: *const c_void,
        _rcu: &rcu::Guard,
    ) -> Result {
        // SAFETY: The contract of this function.
        let id = unsafe { (*info.cast::<bindings::nh_notifier_info>()).id };
        T::nexthop_changes(dev, id);
        Ok(())
    }
}

/// A block in the chain `C` of a namespace, for a device of that namespace.
///
/// # Invariants
///
/// `block` is in the chain of `net`, which is live.
#[pin_data(PinnedDrop)]
struct Block<T: LinkOps, C: NetChain> {
    #[pin]
    block: Opaque<bindings::notifier_block>,
    dev: KeptDevice<T>,
    net: *mut bindings::net,
    _chain: PhantomData<C>,
}

impl<T: LinkOps, C: NetChain> Block<T, C> {
    /// Puts a block for `dev` into the chain of `net`.
    ///
    /// # Safety
    ///
    /// The result is dropped before the namespace goes.
    unsafe fn new(dev: &Device<T>, net: &Net) -> impl PinInit<Self, Error> {
        let dev = KeptDevice::new(dev);
        let chain = net.as_raw();
        // INVARIANT: The last field puts it there; the contract of this function.
        try_pin_init!(Self {
            dev,
            net: chain,
            _chain: PhantomData,
            block <- Opaque::try_ffi_init(move |slot: *mut bindings::notifier_block| {
                let block = bindings::notifier_block {
                    notifier_call: Some(Self::call),
                    // The last: what others refuse does not come here.
                    priority: c_int::MIN,
                    ..Default::default()
                };
                // SAFETY: The slot is valid for writes.
                unsafe { slot.write(block) };
                // SAFETY: The block is initialised, and pinned until it is taken out; the
                // namespace is live.
                to_result(unsafe { C::register::<T>(chain, slot) })
            }),
        })
    }

    /// Returns the `Block` that `block` is in.
    ///
    /// # Safety
    ///
    /// There is one, whose fields are initialised.
    unsafe fn of<'a>(block: *mut bindings::notifier_block) -> &'a Self {
        let block = Opaque::cast_from(block);
        // SAFETY: The contract of this function.
        unsafe { &*kernel::container_of!(block, Self, block) }
    }

    /// Is called by the kernel for every event of the chain (`notifier_call`).
    ///
    /// # Safety
    ///
    /// The kernel calls this for an event of the chain.
    unsafe extern "C" fn call(
        block: *mut bindings::notifier_block,
        event: c_ulong,
        info: *mut c_void,
    ) -> c_int {
        // SAFETY: The kernel passes the block that was registered.
        let this = unsafe { Self::of(block) };
        let rcu = rcu::read_lock();
        let result = match this.dev.get(&rcu) {
            // SAFETY: The contract of this function.
            Some(dev) => unsafe { C::called(dev, event, info, &rcu) },
            None => Ok(()),
        };
        // SAFETY: It only computes.
        unsafe { bindings::notifier_from_errno(result.err().map_or(0, Error::to_errno)) }
    }
}

#[pinned_drop]
impl<T: LinkOps, C: NetChain> PinnedDrop for Block<T, C> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant; it is taken out once.
        unsafe { C::unregister(self.net, self.block.get()) };
    }
}

/// What tells the devices in a namespace of its routes, by the address of the device.
pub(super) type Watches<T> = RBTree<usize, Pin<KBox<Watch<T>>>>;

/// What tells a device of the routes in its namespace.
#[pin_data]
pub(super) struct Watch<T: LinkOps> {
    #[pin]
    routes: Block<T, FibChain>,
    #[pin]
    nexthops: Block<T, NexthopChain>,
}

// SAFETY: The kernel has locks for the chains; nothing else changes.
unsafe impl<T: LinkOps> Send for Watch<T> {}
// SAFETY: As above.
unsafe impl<T: LinkOps> Sync for Watch<T> {}

impl<T: LinkOps> Watch<T> {
    /// Returns the device.
    fn device<'g>(&self, rcu: &'g rcu::Guard) -> Option<&'g Device<T>> {
        self.routes.dev.get(rcu)
    }
}

impl<T: LinkOps> Device<T> {
    /// Has the driver told of the routes in the device's namespace: of all that there are, and then
    /// of each change ([`DeviceOps::routes_changed`], [`DeviceOps::nexthop_changes`]).
    ///
    /// Fails for lack of memory, with the error of [`DeviceOps::routes_changed`], with `EBUSY` if
    /// the routes change faster than they can be told of, and with `ENODEV` if the namespace goes.
    ///
    /// [`DeviceOps::routes_changed`]: super::DeviceOps::routes_changed
    /// [`DeviceOps::nexthop_changes`]: super::DeviceOps::nexthop_changes
    pub(crate) fn watch_routes(&self, rtnl: &Rtnl) -> Result {
        let net = self.net_rtnl(rtnl);
        let devices = T::KIND.get().namespaces.get_rtnl(net, rtnl).ok_or(ENODEV)?;
        // SAFETY: What is in the data of the namespace is dropped before the namespace goes.
        let routes = unsafe { Block::new(self, net) };
        // SAFETY: As above.
        let nexthops = unsafe { Block::new(self, net) };
        let watch = KBox::pin_init(
            // Objects first: a change of one that a route is found to refer to is not missed.
            try_pin_init!(Watch {
                nexthops <- nexthops,
                routes <- routes,
            }? Error),
            GFP_KERNEL,
        )?;
        let mut watches = devices.watches.replace(Watches::new(), rtnl);
        let result = watches.try_create_and_insert(self.as_raw().addr(), watch, GFP_KERNEL);
        devices.watches.replace(watches, rtnl);
        result.map(drop)
    }

    /// Ends what [`Self::watch_routes`] has begun, if it has.
    pub(crate) fn unwatch_routes(&self, rtnl: &Rtnl) {
        let net = self.net_rtnl(rtnl);
        let Some(devices) = T::KIND.get().namespaces.get_rtnl(net, rtnl) else {
            return;
        };
        let mut watches = devices.watches.replace(Watches::new(), rtnl);
        let watch = watches.remove(&self.as_raw().addr());
        devices.watches.replace(watches, rtnl);
        drop(watch);
    }
}

impl<T: LinkOps> Kind<T> {
    /// Calls `f` with each device in the namespace `net` that watches the routes.
    pub(crate) fn for_each_watching(
        &self,
        net: &Net,
        rtnl: &Rtnl,
        mut f: impl FnMut(&Device<T>, &rcu::Guard),
    ) {
        let Some(devices) = self.namespaces.get_rtnl(net, rtnl) else {
            return;
        };
        let watches = devices.watches.replace(Watches::new(), rtnl);
        let rcu = rcu::read_lock();
        for dev in watches.values().filter_map(|watch| watch.device(&rcu)) {
            f(dev, &rcu);
        }
        drop(rcu);
        devices.watches.replace(watches, rtnl);
    }
}
