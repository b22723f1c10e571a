// SPDX-License-Identifier: GPL-2.0

//! The protocols of IPsec (ESP, AH, IPComp): packets that come in through them.
//!
//! A [`Handler`] is a driver's part in receiving. `xfrm_input()` finds the state of a packet,
//! decrypts it, and asks the handlers of the packet's protocol one after the other. The one that
//! takes it makes it a packet of its device. [`ProtocolRegistration`] registers a handler for one
//! protocol in both address families. Handlers of one protocol form a chain, highest priority
//! (largest number) first: `esp4`, `ah4`, `ipcomp` and their like have 0, `ip_vti` and `ip6_vti`
//! 100, the C driver for XFRM interfaces 10.
//!
//! Handlers are called in softirq context, under RCU. Registrations are made and dropped in process
//! context; dropping one sleeps until no packet is in the handler.
//!
//! C sources: [`net/xfrm/xfrm_input.c`](srctree/net/xfrm/xfrm_input.c),
//! [`net/ipv4/xfrm4_protocol.c`](srctree/net/ipv4/xfrm4_protocol.c),
//! [`net/ipv6/xfrm6_protocol.c`](srctree/net/ipv6/xfrm6_protocol.c); C header:
//! [`include/net/xfrm.h`](srctree/include/net/xfrm.h), `struct xfrm4_protocol`,
//! `struct xfrm6_protocol`
//!
//! # Examples
//!
//! A handler that takes what came through states with the `if_id` 7, if the policies allow it:
//!
//! ```
//! use crate::net::{
//!     skb::SkBuff,
//!     xfrm::{
//!         self,
//!         Handler,
//!         IcmpError,
//!         Protocol,
//!         ProtocolRegistration,
//!         Received,
//!         State, //
//!     },
//!     Family, //
//! };
//! use kernel::sync::rcu;
//!
//! const IF_ID: u32 = 7;
//!
//! /// Lower than anybody else's, as this one is an example.
//! const PRIORITY: c_int = -1000;
//!
//! struct Input;
//!
//! impl Handler for Input {
//!     fn may_enter(skb: &mut SkBuff, next: &State, family: Family, _rcu: &rcu::Guard) -> bool {
//!         next.if_id() != IF_ID || xfrm::check_in(skb, family)
//!     }
//!
//!     fn received(skb: &mut SkBuff, _rcu: &rcu::Guard) -> Received {
//!         match skb.connection() {
//!             // Here a driver gives it to its device.
//!             Some(state) if state.if_id() == IF_ID => Received::Taken,
//!             _ => Received::NotOurs,
//!         }
//!     }
//!
//!     fn dropped(_skb: &mut SkBuff, _rcu: &rcu::Guard) -> Received {
//!         Received::NotOurs
//!     }
//!
//!     fn error(error: IcmpError<'_>, _rcu: &rcu::Guard) -> bool {
//!         error.state().if_id() == IF_ID
//!     }
//! }
//!
//! let register =
//!     || KBox::pin_init(ProtocolRegistration::<Input>::new(Protocol::Ah, PRIORITY), GFP_KERNEL);
//!
//! let registration = register()?;
//! // A priority belongs to one handler.
//! assert!(register().is_err_and(|err| err == EEXIST));
//! drop(registration);
//! assert!(register().is_ok());
//! ```

use super::{
    error::IcmpError,
    Protocol,
    State, //
};

use crate::{
    bindings,
    net::{
        rcu::held,
        skb::{
            DropReason,
            OwnedSkBuff,
            SkBuff, //
        },
        Family, //
    }, //
};

use core::marker::PhantomData;

use kernel::{
    error::to_result,
    prelude::*,
    sync::rcu,
    types::Opaque, //
};

/// A handler's answer to a packet that its last state is done with.
pub(crate) enum Received {
    /// The packet is the handler's, and goes on.
    Taken,
    /// The packet is not the handler's: the kernel asks the next one.
    NotOurs,
    /// The packet is the handler's, and is to be dropped: the kernel calls [`Handler::dropped`]
    /// next.
    Drop(Error),
}

impl Received {
    /// The answer as `xfrm_rcv_cb()` takes it from a handler.
    fn to_raw(&self) -> c_int {
        match self {
            Received::Taken => 0,
            Received::NotOurs => 1,
            Received::Drop(err) => err.to_errno(),
        }
    }
}

/// Somebody who takes IPsec packets. All methods are called in softirq context.
pub(crate) trait Handler: 'static {
    /// Whether a packet of the address family `family` may go through the state `next`. If not, it
    /// is dropped.
    ///
    /// Only packets are asked about that have come through IPsec before, where no policy check has
    /// seen all of that yet. The last check will, if nothing is decided here.
    fn may_enter(skb: &mut SkBuff, next: &State, family: Family, rcu: &rcu::Guard) -> bool;

    /// Takes a packet that its last state is done with, or says that it is somebody else's. What
    /// is taken goes on as a packet of the device that it has now.
    fn received(skb: &mut SkBuff, rcu: &rcu::Guard) -> Received;

    /// Counts a packet that is dropped, by the kernel or because [`Self::received`] said so, if it
    /// is the handler's.
    fn dropped(skb: &mut SkBuff, rcu: &rcu::Guard) -> Received;

    /// Handles an error that came in about a packet that was sent. Returns whether it is the
    /// handler's.
    fn error(error: IcmpError<'_>, rcu: &rcu::Guard) -> bool;
}

/// Whether a packet may go through the state that is next. `nexthdr` and `spi` (network byte order)
/// are those of [`enter`].
///
/// # Safety
///
/// The kernel is about to bring the packet, which has a network header of `family`, to a protocol.
#[cold]
unsafe fn may_enter<H: Handler>(
    skb: &mut SkBuff,
    nexthdr: c_int,
    spi: u32,
    family: Family,
) -> bool {
    // SAFETY: Handlers of protocols are looked for, and called, in a critical section.
    let rcu = unsafe { held() };
    // SAFETY: The contract of this function.
    match unsafe { State::next(skb, nexthdr, spi, family) } {
        Some(next) => H::may_enter(skb, &next, family, &rcu),
        // The kernel drops the packet, and counts that there is no state for it.
        None => true,
    }
}

/// Lets a packet into its state (`xfrm_input()`), unless it has come through states before that do
/// not satisfy the policies.
///
/// `nexthdr` is the protocol. `spi` is in network byte order; 0 if it is to be read from the
/// header. `encap_type` is 0, or the kind of UDP or TCP encapsulation. Returns what the kernel
/// takes from a protocol's handler.
///
/// # Safety
///
/// `skb` is handed over and has a network header of `family`.
unsafe fn enter<H: Handler>(
    skb: *mut bindings::sk_buff,
    nexthdr: c_int,
    spi: u32,
    encap_type: c_int,
    family: Family,
) -> c_int {
    // SAFETY: The contract of this function.
    let mut skb = unsafe { OwnedSkBuff::from_raw(skb) };
    // SAFETY: The contract of this function.
    if skb.is_unverified() && !unsafe { may_enter::<H>(&mut skb, nexthdr, spi, family) } {
        skb.free(DropReason::XFRM_POLICY);
        return 0;
    }
    let skb = skb.into_raw();
    // SAFETY: The packet is handed on, and the contract of this function is that of the callees.
    unsafe {
        match family {
            Family::Inet => bindings::datapath_xfrm4_input(skb, nexthdr, spi, encap_type),
            Family::Inet6 => bindings::datapath_xfrm6_input(skb, nexthdr, spi, encap_type),
        }
    }
}

/// The callback `cb_handler`: the packet is through its last state, or is dropped if `err` is not
/// 0.
///
/// # Safety
///
/// The kernel calls this for a packet that IPsec is done with, or drops.
pub(super) unsafe extern "C" fn received<H: Handler>(
    skb: *mut bindings::sk_buff,
    err: c_int,
) -> c_int {
    // SAFETY: The kernel passes a packet that it is receiving.
    let skb = unsafe { SkBuff::from_raw(skb) };
    // SAFETY: It looks for the callbacks of its protocols, and calls them, in a critical section.
    let rcu = unsafe { held() };
    if err == 0 {
        H::received(skb, &rcu)
    } else if skb.last_state().is_none() {
        // The packet is dropped before a state was found, so it is nobody's.
        Received::Taken
    } else {
        H::dropped(skb, &rcu)
    }
    .to_raw()
}

/// Has the handler handle an error. Returns -1 if the next handler is to be asked, because there is
/// a state but it is not this handler's; 0 if not.
fn handle_error<H: Handler>(error: Option<IcmpError<'_>>, rcu: &rcu::Guard) -> c_int {
    match error.map(|error| H::error(error, rcu)) {
        Some(false) => -1,
        Some(true) | None => 0,
    }
}

/// The callback `err_handler` of IPv4. `info` is the MTU, in host byte order.
///
/// # Safety
///
/// The kernel calls this for an ICMP error, from the packet that it quotes on.
pub(super) unsafe extern "C" fn error4<H: Handler>(
    skb: *mut bindings::sk_buff,
    info: u32,
) -> c_int {
    // SAFETY: The kernel passes an error that it has received.
    let skb = unsafe { SkBuff::from_raw(skb) };
    let rcu = rcu::read_lock();
    handle_error::<H>(IcmpError::from_icmp(skb, info, &rcu), &rcu)
}

/// The callback `err_handler` of IPv6, with the type of the error, where the IPsec header is in the
/// packet, and the MTU in network byte order.
///
/// # Safety
///
/// The kernel calls this for an ICMPv6 error, from the packet that it quotes on.
pub(super) unsafe extern "C" fn error6<H: Handler>(
    skb: *mut bindings::sk_buff,
    _opt: *mut bindings::inet6_skb_parm,
    kind: u8,
    _code: u8,
    offset: c_int,
    info: u32,
) -> c_int {
    // SAFETY: The kernel passes an error that it has received.
    let skb = unsafe { SkBuff::from_raw(skb) };
    let Ok(offset) = usize::try_from(offset) else {
        return 0;
    };
    let rcu = rcu::read_lock();
    let error = IcmpError::from_icmpv6(skb, kind, offset, u32::from_be(info), &rcu);
    handle_error::<H>(error, &rcu)
}

/// The callback `handler` of IPv4: a packet came in.
///
/// # Safety
///
/// The kernel hands over a packet with an IPv4 header.
unsafe extern "C" fn handle4<H: Handler>(skb: *mut bindings::sk_buff) -> c_int {
    // SAFETY: The kernel hands over a packet with an IPv4 header.
    unsafe {
        let protocol = SkBuff::from_raw(skb).ip_protocol();
        enter::<H>(skb, protocol.into(), 0, 0, Family::Inet)
    }
}

/// The callback `handler` of IPv6: a packet came in.
///
/// # Safety
///
/// The kernel hands over a packet with an IPv6 header.
unsafe extern "C" fn handle6<H: Handler>(skb: *mut bindings::sk_buff) -> c_int {
    // SAFETY: The kernel hands over a packet with an IPv6 header.
    unsafe {
        let protocol = SkBuff::from_raw(skb).ip6_protocol();
        enter::<H>(skb, protocol.into(), 0, 0, Family::Inet6)
    }
}

/// The callback `input_handler` of IPv4: a packet came in that was encapsulated in UDP or TCP.
///
/// # Safety
///
/// The kernel hands over a packet with an IPv4 header.
unsafe extern "C" fn input4<H: Handler>(
    skb: *mut bindings::sk_buff,
    nexthdr: c_int,
    spi: bindings::__be32,
    encap_type: c_int,
) -> c_int {
    // SAFETY: The kernel hands over a packet with an IPv4 header.
    unsafe { enter::<H>(skb, nexthdr, spi, encap_type, Family::Inet) }
}

/// The callback `input_handler` of IPv6: a packet came in that was encapsulated in UDP or TCP.
///
/// # Safety
///
/// The kernel hands over a packet with an IPv6 header.
unsafe extern "C" fn input6<H: Handler>(
    skb: *mut bindings::sk_buff,
    nexthdr: c_int,
    spi: bindings::__be32,
    encap_type: c_int,
) -> c_int {
    // SAFETY: The kernel hands over a packet with an IPv6 header.
    unsafe { enter::<H>(skb, nexthdr, spi, encap_type, Family::Inet6) }
}

/// The registration of a handler for a protocol of IPsec, in both address families. Dropping it
/// undoes it, and sleeps until no packet is in the handler.
#[pin_data(PinnedDrop)]
pub(crate) struct ProtocolRegistration<H: Handler> {
    /// The callbacks for IPv4.
    #[pin]
    v4: Opaque<bindings::xfrm4_protocol>,
    /// The callbacks for IPv6.
    #[pin]
    v6: Opaque<bindings::xfrm6_protocol>,
    /// The number of the protocol.
    protocol: u8,
    _handler: PhantomData<H>,
}

// SAFETY: The kernel protects its chains of handlers.
unsafe impl<H: Handler> Send for ProtocolRegistration<H> {}
// SAFETY: As above.
unsafe impl<H: Handler> Sync for ProtocolRegistration<H> {}

impl<H: Handler> ProtocolRegistration<H> {
    /// Registers the handler (`xfrm4_protocol_register()`, `xfrm6_protocol_register()`). Fails with
    /// `EEXIST` if the priority is taken in one of the families, with `EAGAIN` if the kernel knows
    /// another implementation of the protocol.
    pub(crate) fn new(protocol: Protocol, priority: c_int) -> impl PinInit<Self, Error> {
        let protocol = protocol.as_raw();
        // SAFETY: On success both handlers are registered and pinned; on failure none is.
        unsafe {
            pin_init::pin_init_from_closure(move |slot: *mut Self| {
                (&raw mut (*slot).protocol).write(protocol);
                (&raw mut (*slot)._handler).write(PhantomData);
                let v4: *mut bindings::xfrm4_protocol = (&raw mut (*slot).v4).cast();
                v4.write(bindings::xfrm4_protocol {
                    handler: Some(handle4::<H>),
                    input_handler: Some(input4::<H>),
                    cb_handler: Some(received::<H>),
                    err_handler: Some(error4::<H>),
                    priority,
                    ..Default::default()
                });
                let v6: *mut bindings::xfrm6_protocol = (&raw mut (*slot).v6).cast();
                v6.write(bindings::xfrm6_protocol {
                    handler: Some(handle6::<H>),
                    input_handler: Some(input6::<H>),
                    cb_handler: Some(received::<H>),
                    err_handler: Some(error6::<H>),
                    priority,
                    ..Default::default()
                });
                // A handler that the kernel could not make known to IP (`EAGAIN`) is in the chain all
                // the same.
                to_result(bindings::xfrm4_protocol_register(v4, protocol)).inspect_err(|err| {
                    if *err == EAGAIN {
                        bindings::xfrm4_protocol_deregister(v4, protocol);
                    }
                })?;
                to_result(bindings::xfrm6_protocol_register(v6, protocol)).inspect_err(|err| {
                    if *err == EAGAIN {
                        bindings::xfrm6_protocol_deregister(v6, protocol);
                    }
                    bindings::xfrm4_protocol_deregister(v4, protocol);
                })
            })
        }
    }
}

#[pinned_drop]
impl<H: Handler> PinnedDrop for ProtocolRegistration<H> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: Both were registered, and are removed once; the calls wait for packets in flight.
        unsafe {
            bindings::xfrm6_protocol_deregister(self.v6.get(), self.protocol);
            bindings::xfrm4_protocol_deregister(self.v4.get(), self.protocol);
        }
    }
}
