// SPDX-License-Identifier: GPL-2.0

//! IP packets in IP packets that belong to IPsec: those that IPComp found not worth compressing,
//! and states of the protocols IPIP and IPv6.
//!
//! [`Tunnel4Registration`] registers a [`Handler`] for packets with an outer IPv4 header,
//! [`Tunnel6Registration`] one for packets with an outer IPv6 header; each is made once for every
//! inner family. The handlers of a pair of families form a chain, highest priority (smallest
//! number) first. `ipip`, `sit` and `ip6_tunnel`, which have 1 and 2, look for a tunnel device of
//! their own before IPsec is asked. The modules `xfrm4_tunnel` and `xfrm6_tunnel`, which provide
//! the states, have 3 and 4.
//!
//! Handlers are called as for [`ProtocolRegistration`](super::ProtocolRegistration), with one
//! exception: [`Handler::may_enter`] is not called.
//!
//! C sources: [`net/ipv4/tunnel4.c`](srctree/net/ipv4/tunnel4.c),
//! [`net/ipv6/tunnel6.c`](srctree/net/ipv6/tunnel6.c); C header:
//! [`include/net/xfrm.h`](srctree/include/net/xfrm.h), `struct xfrm_tunnel`, `struct xfrm6_tunnel`
//!
//! # Examples
//!
//! A handler of IPsec's protocols ([`Handler`] has an example of one) takes these packets as well:
//!
//! ```
//! # #[cfg(CONFIG_INET_XFRM_TUNNEL)]
//! use crate::net::xfrm::Tunnel4Registration;
//! use crate::net::Family;
//! # use crate::xfrmi::receive::Input;
//!
//! # #[cfg(CONFIG_INET_XFRM_TUNNEL)]
//! # {
//! /// After all others, as this one is an example.
//! const PRIORITY: c_int = 1000;
//!
//! let register =
//!     || KBox::pin_init(Tunnel4Registration::<Input>::new(Family::Inet6, PRIORITY), GFP_KERNEL);
//!
//! let registration = register()?;
//! // A priority belongs to one handler.
//! assert!(register().is_err_and(|err| err == EEXIST));
//! drop(registration);
//! assert!(register().is_ok());
//! # }
//! ```

#![expect(
    dead_code,
    reason = "#[pin_data] generates a projection, and nobody needs it"
)]

use super::{
    input,
    Handler, //
};

use crate::{
    bindings,
    net::Family, //
};

use core::marker::PhantomData;

use kernel::{
    error::to_result,
    prelude::*,
    types::Opaque, //
};

/// Makes the registration for one outer family: the C structure, the functions that register and
/// deregister it, and the callbacks for packets and errors.
macro_rules! tunnel_registration {
    ($(#[$doc:meta])* $name:ident, $raw:ident, $register:ident, $deregister:ident, $receive:ident, $error:ident) => {
        $(#[$doc])*
        #[pin_data(PinnedDrop)]
        pub(crate) struct $name<H: Handler> {
            /// The callbacks.
            #[pin]
            tunnel: Opaque<bindings::$raw>,
            /// The family of the header inside.
            inner: Family,
            _handler: PhantomData<H>,
        }

        // SAFETY: The kernel protects its chains of handlers.
        unsafe impl<H: Handler> Send for $name<H> {}
        // SAFETY: As above.
        unsafe impl<H: Handler> Sync for $name<H> {}

        impl<H: Handler> $name<H> {
            /// Registers the handler for packets with an `inner` header. Fails with `EEXIST` if the
            /// priority is taken.
            pub(crate) fn new(inner: Family, priority: c_int) -> impl PinInit<Self, Error> {
                /// The callback `handler`: a packet came in.
                ///
                /// # Safety
                ///
                /// The kernel hands over a packet with a header of the outer family.
                unsafe extern "C" fn receive(skb: *mut bindings::sk_buff) -> c_int {
                    // SAFETY: The kernel hands over a packet with a header of the outer family.
                    unsafe { bindings::$receive(skb) }
                }

                try_pin_init!(Self {
                    tunnel <- Opaque::try_ffi_init(move |slot: *mut bindings::$raw| {
                        let tunnel = bindings::$raw {
                            handler: Some(receive),
                            cb_handler: Some(input::received::<H>),
                            err_handler: Some(input::$error::<H>),
                            priority,
                            ..Default::default()
                        };
                        // SAFETY: The slot is valid for writes.
                        unsafe { slot.write(tunnel) };
                        // SAFETY: The handler is initialised, and pinned until it is removed.
                        to_result(unsafe { bindings::$register(slot, inner.as_raw()) })
                    }),
                    inner,
                    _handler: PhantomData,
                })
            }
        }

        #[pinned_drop]
        impl<H: Handler> PinnedDrop for $name<H> {
            fn drop(self: Pin<&mut Self>) {
                // SAFETY: It was registered, and is removed once; the call waits for packets in
                // flight.
                unsafe { bindings::$deregister(self.tunnel.get(), self.inner.as_raw()) };
            }
        }
    };
}

#[cfg(CONFIG_INET_XFRM_TUNNEL)]
tunnel_registration!(
    /// The registration of a handler for packets with an outer IPv4 header
    /// (`xfrm4_tunnel_register()`). Dropping it undoes it, and sleeps until no packet is in the
    /// handler.
    Tunnel4Registration,
    xfrm_tunnel,
    xfrm4_tunnel_register,
    xfrm4_tunnel_deregister,
    datapath_xfrm4_rcv_tunnel,
    error4
);

#[cfg(CONFIG_INET6_XFRM_TUNNEL)]
tunnel_registration!(
    /// The registration of a handler for packets with an outer IPv6 header
    /// (`xfrm6_tunnel_register()`). Dropping it undoes it, and sleeps until no packet is in the
    /// handler.
    Tunnel6Registration,
    xfrm6_tunnel,
    xfrm6_tunnel_register,
    xfrm6_tunnel_deregister,
    datapath_xfrm6_rcv_tunnel,
    error6
);
