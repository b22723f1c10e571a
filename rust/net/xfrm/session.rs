// SPDX-License-Identifier: GPL-2.0

//! What the policy check asks of an interface: which policies a packet that came through it obeys.
//!
//! Policies may be of an interface (`if_id`), and be in another network namespace than the packet.
//! So before `__xfrm_policy_check()` looks for them, it asks whoever knows the interfaces: a
//! [`SessionDecoder`].
//!
//! The decoder is called in softirq context, under RCU. The registration is made and dropped in
//! process context; dropping it sleeps until nobody is in the decoder.
//!
//! C source: [`net/xfrm/xfrm_policy.c`](srctree/net/xfrm/xfrm_policy.c), `xfrm_if_register_cb()`; C
//! header: [`include/net/xfrm.h`](srctree/include/net/xfrm.h), `struct xfrm_if_cb`
//!
//! # Examples
//!
//! A decoder for devices whose connection has the number of the device:
//!
//! ```
//! use crate::net::{
//!     netdevice::NetDevice,
//!     skb::SkBuff,
//!     xfrm::{
//!         Session,
//!         SessionDecoder,
//!         SessionRegistration, //
//!     },
//!     Family, //
//! };
//! use kernel::sync::rcu;
//!
//! struct Decoder;
//!
//! impl SessionDecoder for Decoder {
//!     fn decode<'g>(skb: &SkBuff, _family: Family, rcu: &'g rcu::Guard) -> Option<Session<'g>> {
//!         // What did not come through IPsec belongs to no interface.
//!         skb.last_state()?;
//!         let dev = skb.device(rcu)?;
//!         Some(Session {
//!             net: dev.net(rcu),
//!             if_id: dev.ifindex().unsigned_abs(),
//!         })
//!     }
//! }
//!
//! // There is room for one in the kernel: a driver registers it when it has found itself alone.
//! # let _: fn() -> SessionRegistration<Decoder> = SessionRegistration::new;
//! #
//! # let skb = crate::net::tests::packet::packet(&[0x45; 20])?;
//! assert!(Decoder::decode(&skb, Family::Inet, &rcu::read_lock()).is_none());
//! ```

use crate::{
    bindings,
    net::{
        net_namespace::Net,
        rcu::held,
        skb::SkBuff,
        Family, //
    }, //
};

use core::marker::PhantomData;

use kernel::{
    prelude::*,
    sync::rcu, //
};

/// Where the policies for a packet are (`struct xfrm_if_decode_session_result`).
pub(crate) struct Session<'a> {
    /// The namespace that has the policies.
    pub(crate) net: &'a Net,
    /// The `if_id` of the policies, in host byte order.
    pub(crate) if_id: u32,
}

/// Somebody who knows the interfaces.
pub(crate) trait SessionDecoder: 'static {
    /// Where the policies for the packet, whose address family is `family`, are. `None` if it came
    /// through no interface: then they are in the packet's own namespace, and without `if_id`.
    fn decode<'g>(skb: &SkBuff, family: Family, rcu: &'g rcu::Guard) -> Option<Session<'g>>;
}

/// The registration of a decoder. Dropping it undoes it, and sleeps for a grace period.
///
/// The kernel has room for one, and takes the last: register it when it is certain that no other
/// module serves XFRM interfaces.
pub(crate) struct SessionRegistration<D: SessionDecoder>(PhantomData<D>);

impl<D: SessionDecoder> SessionRegistration<D> {
    /// What the kernel calls.
    const CALLBACKS: &'static bindings::xfrm_if_cb = &bindings::xfrm_if_cb {
        decode_session: Some(Self::decode_session),
    };

    /// Registers the decoder (`xfrm_if_register_cb()`). That can't fail.
    pub(crate) fn new() -> Self {
        // SAFETY: The callbacks are static.
        unsafe { bindings::xfrm_if_register_cb(Self::CALLBACKS) };
        Self(PhantomData)
    }

    /// The callback `decode_session`. Returns whether there is a result.
    ///
    /// # Safety
    ///
    /// The kernel calls this, in an RCU read-side critical section, for a packet that came in and
    /// a place for the result.
    unsafe extern "C" fn decode_session(
        skb: *mut bindings::sk_buff,
        family: c_ushort,
        result: *mut bindings::xfrm_if_decode_session_result,
    ) -> bool {
        // SAFETY: The contract of this function.
        let rcu = unsafe { held() };
        // SAFETY: The kernel passes a packet that it is checking.
        let skb = unsafe { SkBuff::from_raw(skb) };
        let Some(family) = Family::from_raw(family.into()) else {
            return false;
        };
        let Some(session) = D::decode(skb, family, &rcu) else {
            return false;
        };
        // SAFETY: The kernel passes a place for the result.
        unsafe {
            (*result).net = session.net.as_raw();
            (*result).if_id = session.if_id;
        }
        true
    }
}

impl<D: SessionDecoder> Drop for SessionRegistration<D> {
    fn drop(&mut self) {
        // SAFETY: It was registered; the call waits until nobody uses it.
        unsafe { bindings::xfrm_if_unregister_cb() };
    }
}
