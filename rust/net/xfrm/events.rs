// SPDX-License-Identifier: GPL-2.0

//! What happens to policies and states, for whoever wants to know: a key manager that manages
//! nothing.
//!
//! A driver that keeps what a look-up has found ([`Bundle`](super::Bundle)) has to learn when a
//! look-up would find something else. IKE daemons learn of policies and states by the key manager
//! interface. [`EventsRegistration`] joins them and passes on one thing: in which namespace, and for
//! which connection, something changed.
//!
//! The listener is called in any context, under RCU, also with locks of the caller's held: it must
//! neither sleep nor ask for policies or states. Registrations are made and dropped in process
//! context.
//!
//! C source: [`net/xfrm/xfrm_state.c`](srctree/net/xfrm/xfrm_state.c), `km_state_notify()`,
//! `km_policy_notify()`, `km_migrate()`; C header:
//! [`include/net/xfrm.h`](srctree/include/net/xfrm.h), `struct xfrm_mgr`
//!
//! # Examples
//!
//! A listener that counts:
//!
//! ```
//! use crate::net::{
//!     net_namespace::Net,
//!     xfrm::{
//!         ConnectionListener,
//!         EventsRegistration, //
//!     }, //
//! };
//! use kernel::sync::{
//!     atomic::{
//!         Atomic,
//!         Release, //
//!     },
//!     rcu, //
//! };
//!
//! static CHANGES: Atomic<u32> = Atomic::new(0);
//!
//! struct Count;
//!
//! impl ConnectionListener for Count {
//!     fn connection_changed(_net: &Net, if_id: Option<u32>, _rcu: &rcu::Guard) {
//!         if if_id.is_none_or(|if_id| if_id == 7) {
//!             // Release: who sees the new number finds what has changed.
//!             CHANGES.fetch_add(1, Release);
//!         }
//!     }
//! }
//!
//! let registration = KBox::pin_init(EventsRegistration::<Count>::new(), GFP_KERNEL)?;
//! // From here on it is told, and from here on no more:
//! drop(registration);
//! ```

use crate::{
    bindings,
    compat::code::eopnotsupp,
    net::{
        atomic::read_once,
        net_namespace::Net,
        rcu::held, //
    }, //
};

use core::{
    marker::PhantomData,
    ptr, //
};

use kernel::{
    prelude::*,
    sync::rcu,
    types::Opaque, //
};

/// A listener, which wants to know when policies or states change.
pub(crate) trait ConnectionListener: 'static {
    /// Policies or states with this `if_id` (host byte order; `None`: with any) have changed in
    /// `net`, and look-ups that start now find the change. The kernel may call this in any context.
    fn connection_changed(net: &Net, if_id: Option<u32>, rcu: &rcu::Guard);
}

/// The registration of a listener to what happens to policies and states. Dropping it undoes it,
/// and sleeps until nobody is in the listener.
///
/// The listener is told when policies and states are added, updated, deleted, flushed, migrated,
/// about to expire, or expired. It is told after a look-up can find the change. Two things are not
/// told: that a state expires by its count of packets or bytes, after which it is not valid any
/// more ([`Bundle::is_valid`](super::Bundle::is_valid)); and what `XFRM_MSG_MIGRATE_STATE` adds
/// ([`AddedStates`](super::AddedStates)).
#[pin_data(PinnedDrop)]
pub(crate) struct EventsRegistration<L: ConnectionListener> {
    /// The key manager that the kernel knows.
    #[pin]
    manager: Opaque<bindings::xfrm_mgr>,
    _listener: PhantomData<L>,
}

// SAFETY: The kernel takes a lock for the list that the callbacks are in; nothing else changes.
unsafe impl<L: ConnectionListener> Send for EventsRegistration<L> {}
// SAFETY: As above.
unsafe impl<L: ConnectionListener> Sync for EventsRegistration<L> {}

impl<L: ConnectionListener> EventsRegistration<L> {
    /// Registers `L` (`xfrm_register_km()`). That can't fail.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            manager <- Opaque::ffi_init(|slot: *mut bindings::xfrm_mgr| {
                let manager = bindings::xfrm_mgr {
                    notify: Some(Self::notify),
                    notify_policy: Some(Self::notify_policy),
                    migrate: Some(Self::migrate),
                    acquire: Some(Self::acquire),
                    compile_policy: Some(Self::compile_policy),
                    ..Default::default()
                };
                // SAFETY: The slot is valid for writes.
                unsafe { slot.write(manager) };
                // SAFETY: The callbacks are initialised, and pinned until they are removed.
                unsafe { bindings::xfrm_register_km(slot) };
            }),
            _listener: PhantomData,
        })
    }

    /// Tells the listener that something with this `if_id`, or with any, has changed in `net`.
    ///
    /// # Safety
    ///
    /// `net` is live, and the caller in an RCU read-side critical section.
    unsafe fn changed(net: *const bindings::net, if_id: Option<u32>) {
        // SAFETY: The contract of this function.
        let (net, rcu) = unsafe { (Net::from_raw(net), held()) };
        L::connection_changed(net, if_id, &rcu);
    }

    /// The callback `notify`: something has happened to a state.
    ///
    /// # Safety
    ///
    /// The kernel calls this, in an RCU read-side critical section, with an event of a state, or of
    /// all states of a namespace.
    unsafe extern "C" fn notify(
        state: *mut bindings::xfrm_state,
        event: *const bindings::km_event,
    ) -> c_int {
        // SAFETY: The contract of this function.
        let (event, of_all) = unsafe { ((*event).event, (*event).net) };
        // This event is about counters and replay windows, which decide no look-up. It comes with
        // every few packets.
        if event == bindings::XFRM_MSG_NEWAE {
            return 0;
        }
        let (net, if_id) = if state.is_null() {
            (of_all, None)
        } else {
            // SAFETY: The state is live. An update may change the field while it is read.
            let (net, if_id) = unsafe {
                (
                    Net::from_possible(&raw const (*state).xs_net),
                    read_once(&raw const (*state).if_id),
                )
            };
            // An update is told with what was asked for. If that has no `if_id`, the state keeps
            // the one that it has.
            let is_known = if_id != 0 || event != bindings::XFRM_MSG_UPDSA;
            (net.as_raw(), is_known.then_some(if_id))
        };
        // SAFETY: The contract of this function.
        unsafe { Self::changed(net, if_id) };
        0
    }

    /// The callback `notify_policy`: something has happened to a policy.
    ///
    /// # Safety
    ///
    /// The kernel calls this, in an RCU read-side critical section, with an event of a policy, or
    /// of all policies of a namespace.
    unsafe extern "C" fn notify_policy(
        policy: *mut bindings::xfrm_policy,
        _direction: c_int,
        event: *const bindings::km_event,
    ) -> c_int {
        let (net, if_id) = if policy.is_null() {
            // SAFETY: The contract of this function.
            (unsafe { (*event).net }, None)
        } else {
            // SAFETY: The policy is live, and its `if_id` never changes.
            unsafe {
                (
                    Net::from_possible(&raw const (*policy).xp_net).as_raw(),
                    Some((*policy).if_id),
                )
            }
        };
        // SAFETY: The contract of this function.
        unsafe { Self::changed(net, if_id) };
        0
    }

    /// The callback `migrate`: a policy and its states have got other addresses. Returns
    /// `-EOPNOTSUPP`, which leaves the answer to other key managers.
    ///
    /// # Safety
    ///
    /// The kernel calls this, in an RCU read-side critical section, when a policy and its states
    /// have got other addresses.
    unsafe extern "C" fn migrate(
        _selector: *const bindings::xfrm_selector,
        _direction: u8,
        _kind: u8,
        _migrate: *const bindings::xfrm_migrate,
        _count: c_int,
        _address: *const bindings::xfrm_kmaddress,
        net: *mut bindings::net,
        _encap: *const bindings::xfrm_encap_tmpl,
    ) -> c_int {
        // SAFETY: The contract of this function.
        unsafe { Self::changed(net, None) };
        // This leaves what other key managers answer as it is.
        eopnotsupp().to_errno()
    }

    /// The callback `acquire`, which the kernel requires: a state is wanted. Returns `-ENOENT`,
    /// because this key manager negotiates nothing; others may.
    extern "C" fn acquire(
        _state: *mut bindings::xfrm_state,
        _template: *mut bindings::xfrm_tmpl,
        _policy: *mut bindings::xfrm_policy,
    ) -> c_int {
        ENOENT.to_errno()
    }

    /// The callback `compile_policy`, which the kernel requires, too: a socket is to get a policy.
    /// Returns none, and leaves the result of the key managers that were asked before as it is.
    extern "C" fn compile_policy(
        _sock: *mut bindings::sock,
        _option: c_int,
        _data: *mut u8,
        _len: c_int,
        _result: *mut c_int,
    ) -> *mut bindings::xfrm_policy {
        ptr::null_mut()
    }
}

#[pinned_drop]
impl<L: ConnectionListener> PinnedDrop for EventsRegistration<L> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: It was registered; the call waits until nobody uses it.
        unsafe { bindings::xfrm_unregister_km(self.manager.get()) };
    }
}
