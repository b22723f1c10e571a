// SPDX-License-Identifier: GPL-2.0

//! What key managers do to states, for whoever wants to know.
//!
//! Some of it cannot be seen in the states that were there before. A state that is added may be the
//! better one for a flow: for one CPU, or with another mark.
//!
//! C source: [`net/xfrm/xfrm_state.c`](srctree/net/xfrm/xfrm_state.c), `km_state_notify()`

use crate::bindings;

use core::{
    marker::PhantomData,
    ptr, //
};

use kernel::{
    prelude::*,
    types::Opaque, //
};

/// Somebody who wants to know of states.
pub(crate) trait StateEvents: 'static {
    /// A state was added, or changed, in some namespace. Look-ups that start now find it. Called in
    /// process context, in an RCU read-side critical section.
    fn added();
}

/// What happens to states is told; undone when dropped.
#[pin_data(PinnedDrop)]
pub(crate) struct EventsRegistration<E: StateEvents> {
    #[pin]
    manager: Opaque<bindings::xfrm_mgr>,
    _events: PhantomData<E>,
}

// SAFETY: The kernel takes a lock for the list that the callbacks are in; nothing else changes.
unsafe impl<E: StateEvents> Send for EventsRegistration<E> {}
// SAFETY: As above.
unsafe impl<E: StateEvents> Sync for EventsRegistration<E> {}

impl<E: StateEvents> EventsRegistration<E> {
    /// Registers `E`.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            manager <- Opaque::ffi_init(|slot: *mut bindings::xfrm_mgr| {
                let manager = bindings::xfrm_mgr {
                    notify: Some(Self::notify),
                    acquire: Some(Self::acquire),
                    compile_policy: Some(Self::compile_policy),
                    ..Default::default()
                };
                // SAFETY: The slot is valid for writes.
                unsafe { slot.write(manager) };
                // SAFETY: The callbacks are initialised, and pinned until they are removed.
                unsafe { bindings::xfrm_register_km(slot) };
            }),
            _events: PhantomData,
        })
    }

    /// # Safety
    ///
    /// The kernel calls this with an event.
    unsafe extern "C" fn notify(
        _state: *mut bindings::xfrm_state,
        event: *const bindings::km_event,
    ) -> c_int {
        // SAFETY: The contract of this function.
        let event = unsafe { (*event).event };
        if matches!(event, bindings::XFRM_MSG_NEWSA | bindings::XFRM_MSG_UPDSA) {
            E::added();
        }
        0
    }

    /// We negotiate nothing; other key managers may. The kernel requires this.
    extern "C" fn acquire(
        _state: *mut bindings::xfrm_state,
        _template: *mut bindings::xfrm_tmpl,
        _policy: *mut bindings::xfrm_policy,
    ) -> c_int {
        ENOENT.to_errno()
    }

    /// Nor do we read policies of sockets: the result of those asked before remains what it is. The
    /// kernel requires this, too.
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
impl<E: StateEvents> PinnedDrop for EventsRegistration<E> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: It was registered; the call waits until nobody uses it.
        unsafe { bindings::xfrm_unregister_km(self.manager.get()) };
    }
}
