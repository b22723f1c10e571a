// SPDX-License-Identifier: GPL-2.0

//! Lightweight tunnels: what a route says about the encapsulation of its packets.
//!
//! `ip route add … encap KIND …` gives a route a state of that kind. Only the encapsulation that
//! assigns packets to IPsec connections (`LWTUNNEL_ENCAP_XFRM`) is wrapped here: what a route keeps
//! for it is an [`MdInfo`], and [`Dst::xfrm_info`](crate::net::dst::Dst::xfrm_info) reads it. A
//! driver says by [`EncapOps`] how that is written in netlink.
//!
//! [`EncapOps::build`] is called in process context, with RTNL held or without.
//! [`EncapOps::fill`] and [`EncapOps::transmit`] are called under RCU, and must not sleep.
//!
//! C header: [`include/net/lwtunnel.h`](srctree/include/net/lwtunnel.h); C source:
//! [`net/core/lwtunnel.c`](srctree/net/core/lwtunnel.c)
//!
//! # Examples
//!
//! An encapsulation with one attribute, number 1, for the `if_id`:
//!
//! ```
//! use crate::net::{
//!     netlink::{
//!         attr_size,
//!         Attr,
//!         AttrTable,
//!         ExtAck,
//!         Message,
//!         Policy,
//!         Rule, //
//!     },
//!     xfrm::{
//!         EncapOps,
//!         EncapRegistration,
//!         MdInfo, //
//!     }, //
//! };
//!
//! const IF_ID: u32 = 1;
//!
//! static POLICY: Policy<2> = Policy::new([Rule::unspec(), Rule::u32_min(1)]);
//!
//! struct Encap;
//!
//! impl EncapOps for Encap {
//!     const SIZE: usize = attr_size(size_of::<u32>());
//!
//!     fn build(encap: Attr<'_>, ack: &mut ExtAck<'_>) -> Result<MdInfo> {
//!         let table = AttrTable::parse_nested(encap, &POLICY, ack)?;
//!         let Some(if_id) = table.attrs().get(IF_ID) else {
//!             return Err(ack.missing(Some(encap), IF_ID, c"if_id must be set"));
//!         };
//!         Ok(MdInfo {
//!             if_id: if_id.u32()?,
//!             link: 0,
//!         })
//!     }
//!
//!     fn fill(info: MdInfo, message: &mut Message<'_>) -> Result {
//!         message.put_u32(IF_ID, info.if_id)
//!     }
//! }
//!
//! /// Registers it; a module keeps the result until it goes.
//! fn register(module: &'static ThisModule) -> impl PinInit<EncapRegistration<Encap>, Error> {
//!     EncapRegistration::new(module)
//! }
//! # let _ = register;
//!
//! // A header and a number.
//! assert_eq!(Encap::SIZE, 8);
//! ```

use super::metadata::{
    MdInfo,
    ENCAP_XFRM, //
};

use crate::{
    bindings,
    compat::casts::u32_into_u16,
    net::{
        netlink::{
            Attr,
            ExtAck,
            Message, //
        },
        rcu::with_softirqs_disabled,
        skb::OwnedSkBuff, //
    }, //
};

use core::marker::PhantomData;

use kernel::{
    error::from_result,
    prelude::*,
    sync::rcu,
    types::Opaque, //
};

/// How the encapsulation is written in netlink (`struct lwtunnel_encap_ops`).
pub(crate) trait EncapOps: 'static {
    /// The room that [`Self::fill`] needs, in bytes.
    const SIZE: usize;

    /// Reads what a new route is to say from the attributes nested in `encap` (`RTA_ENCAP`). An
    /// error refuses the route, and says why in `ack`.
    fn build(encap: Attr<'_>, ack: &mut ExtAck<'_>) -> Result<MdInfo>;

    /// Adds the attributes of a route to a message. Fails with `EMSGSIZE` if there is no room.
    fn fill(info: MdInfo, message: &mut Message<'_>) -> Result;

    /// Takes a packet that a route with this encapsulation is about to hand to its device
    /// (`skb->dev`), or returns it: then the device's queue gets it. The packet has been through
    /// netfilter, and fits the MTU. Called with softirqs disabled.
    fn transmit(skb: OwnedSkBuff, _rcu: &rcu::Guard) -> Option<OwnedSkBuff> {
        Some(skb)
    }
}

/// The registration of the encapsulation. Dropping it undoes it, and sleeps for a grace period.
///
/// A route that has the encapsulation holds a reference to the module, so the module stays while
/// there are any. A module whose initialisation fails does not wait for them: it registers this
/// last.
#[pin_data(PinnedDrop)]
pub(crate) struct EncapRegistration<E: EncapOps> {
    /// The callbacks.
    #[pin]
    ops: Opaque<bindings::lwtunnel_encap_ops>,
    _encap: PhantomData<E>,
}

// SAFETY: The operations are immutable once registered.
unsafe impl<E: EncapOps> Send for EncapRegistration<E> {}
// SAFETY: As above.
unsafe impl<E: EncapOps> Sync for EncapRegistration<E> {}

impl<E: EncapOps> EncapRegistration<E> {
    /// Registers the encapsulation for `module` (`lwtunnel_encap_add_ops()`). Fails with `EEXIST`
    /// if another module has done so.
    pub(crate) fn new(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            ops <- Opaque::try_ffi_init(move |slot: *mut bindings::lwtunnel_encap_ops| {
                let ops = bindings::lwtunnel_encap_ops {
                    build_state: Some(Self::build_state),
                    destroy_state: Some(Self::destroy_state),
                    fill_encap: Some(Self::fill_encap),
                    get_encap_size: Some(Self::get_encap_size),
                    cmp_encap: Some(Self::cmp_encap),
                    xmit: Some(Self::xmit),
                    #[cfg(HAVE_HASH_ENCAP)]
                    hash_encap: Some(Self::hash_encap),
                    owner: module.as_ptr(),
                    ..Default::default()
                };
                // SAFETY: The slot is valid for writes.
                unsafe { slot.write(ops) };
                // SAFETY: The operations are initialised, and pinned until they are removed.
                match unsafe { bindings::lwtunnel_encap_add_ops(slot, ENCAP_XFRM) } {
                    0 => Ok(()),
                    // The only error is that there are other operations; the kernel says -1.
                    _ => Err(EEXIST),
                }
            }),
            _encap: PhantomData,
        })
    }

    /// What the route state `state` of this encapsulation says.
    ///
    /// # Safety
    ///
    /// `state` was made by `build_state`.
    unsafe fn info<'a>(state: *const bindings::lwtunnel_state) -> &'a bindings::xfrm_md_info {
        // SAFETY: The contract of this function.
        unsafe { &*(&raw const (*state).data).cast() }
    }

    /// The callback `build_state`: a route is made. Returns 0, or what [`EncapOps::build`] fails
    /// with, or `-ENOMEM`.
    ///
    /// # Safety
    ///
    /// The kernel calls this for an attribute of a request, with a place for the result.
    unsafe extern "C" fn build_state(
        _net: *mut bindings::net,
        encap: *mut bindings::nlattr,
        _family: c_uint,
        _cfg: *const c_void,
        result: *mut *mut bindings::lwtunnel_state,
        extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: The kernel passes an attribute of the request that it answers with `extack`.
        let (encap, mut ack) = unsafe { (Attr::from_raw(encap), ExtAck::from_raw(extack)) };
        from_result(|| {
            let info = E::build(encap, &mut ack)?.into_raw(None);
            // CAST: The structure has a few bytes.
            // SAFETY: It only allocates.
            let state = unsafe { bindings::lwtunnel_state_alloc(size_of_val(&info) as c_int) };
            if state.is_null() {
                return Err(ack.refuse(
                    ENOMEM,
                    None,
                    c"no memory for the encapsulation of the route",
                ));
            }
            // SAFETY: The allocation is new, and has room for `info` behind its fields.
            unsafe {
                (*state).type_ = u32_into_u16::<ENCAP_XFRM>();
                (*state).flags |= bindings::LWTUNNEL_STATE_XMIT_REDIRECT;
                (&raw mut (*state).data)
                    .cast::<bindings::xfrm_md_info>()
                    .write(info);
                *result = state;
            }
            Ok(0)
        })
    }

    /// The callback `destroy_state`: a route goes. The kernel frees the state itself.
    ///
    /// # Safety
    ///
    /// The kernel calls this for a state made by `build_state`, which owns nothing.
    unsafe extern "C" fn destroy_state(_state: *mut bindings::lwtunnel_state) {}

    /// The callback `fill_encap`: a route is dumped. Returns 0, or what [`EncapOps::fill`] fails
    /// with.
    ///
    /// # Safety
    ///
    /// The kernel calls this for a message that it builds and a state made by `build_state`.
    unsafe extern "C" fn fill_encap(
        skb: *mut bindings::sk_buff,
        state: *mut bindings::lwtunnel_state,
    ) -> c_int {
        // SAFETY: The kernel passes a message that it is building and a state made above.
        let (mut message, info) = unsafe { (Message::from_raw(skb), Self::info(state)) };
        let info = MdInfo {
            if_id: info.if_id,
            link: info.link,
        };
        from_result(|| E::fill(info, &mut message).map(|()| 0))
    }

    /// The callback `get_encap_size`: how much room the attributes need, in bytes.
    ///
    /// # Safety
    ///
    /// The kernel calls this for a state made by `build_state`.
    unsafe extern "C" fn get_encap_size(_state: *mut bindings::lwtunnel_state) -> c_int {
        // CAST: Attributes are a few bytes long.
        E::SIZE as c_int
    }

    /// The callback `cmp_encap`: 0 if two routes say the same, else 1.
    ///
    /// # Safety
    ///
    /// The kernel calls this for two states made by `build_state`.
    unsafe extern "C" fn cmp_encap(
        a: *mut bindings::lwtunnel_state,
        b: *mut bindings::lwtunnel_state,
    ) -> c_int {
        // SAFETY: The kernel passes states made above.
        let (a, b) = unsafe { (Self::info(a), Self::info(b)) };
        ((a.if_id, a.link) != (b.if_id, b.link)).into()
    }

    /// The callback `xmit`: a route is about to hand a packet to its device. Returns whether the
    /// packet was taken (`LWTUNNEL_XMIT_DONE`) or goes on (`LWTUNNEL_XMIT_CONTINUE`).
    ///
    /// # Safety
    ///
    /// The kernel calls this with softirqs disabled for a packet that it has made ready for
    /// `skb->dev`, and hands it over unless it is to go on.
    unsafe extern "C" fn xmit(skb: *mut bindings::sk_buff) -> c_int {
        // SAFETY: The kernel hands over the packet; one that goes on is given back.
        let skb = unsafe { OwnedSkBuff::from_raw(skb) };
        // SAFETY: The kernel calls this with softirqs disabled.
        let rest = unsafe { with_softirqs_disabled(|rcu| E::transmit(skb, rcu)) };
        // CAST: The numbers are 0 and 256.
        match rest.map(OwnedSkBuff::into_raw) {
            None => bindings::LWTUNNEL_XMIT_DONE as c_int,
            Some(_) => bindings::LWTUNNEL_XMIT_CONTINUE as c_int,
        }
    }

    /// The callback `hash_encap`, of kernels that have it: the same number for routes that say the
    /// same.
    ///
    /// # Safety
    ///
    /// The kernel calls this for a state made by `build_state`.
    #[cfg(HAVE_HASH_ENCAP)]
    unsafe extern "C" fn hash_encap(state: *mut bindings::lwtunnel_state) -> u32 {
        use crate::net::hash::hash_32;

        // SAFETY: The kernel passes a state made above.
        let info = unsafe { Self::info(state) };
        // CAST: The index of a device is not negative.
        hash_32::<32>(hash_32::<32>(info.if_id) ^ info.link as u32)
    }
}

#[pinned_drop]
impl<E: EncapOps> PinnedDrop for EncapRegistration<E> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: It was registered, and is removed once.
        unsafe { bindings::lwtunnel_encap_del_ops(self.ops.get(), ENCAP_XFRM) };
    }
}
