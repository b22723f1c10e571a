// SPDX-License-Identifier: GPL-2.0

//! Flows: what routes and policies are looked up by.
//!
//! C header: [`include/net/flow.h`](srctree/include/net/flow.h)

use crate::{
    bindings,
    net::{
        dst::Dst,
        from_err_ptr,
        namespace::Net,
        skb::Skb,
        Family, //
    }, //
};

use core::mem::MaybeUninit;

use kernel::{
    prelude::*,
    sync::aref::ARef, //
};

/// The key of a flow, in the format of one address family.
pub(crate) struct Flow {
    raw: bindings::flowi,
    family: Family,
}

impl Flow {
    /// The flow that a packet belongs to, by its addresses, protocol, ports, TOS and mark. The
    /// network header has to be contiguous; a missing transport header leaves its part zero.
    pub(crate) fn of(skb: &Skb, family: Family, net: &Net) -> Result<Self> {
        // SAFETY: All bytes zero is a valid flow.
        let mut raw = unsafe { MaybeUninit::<bindings::flowi>::zeroed().assume_init() };
        // SAFETY: The packet and the namespace are live, the flow is valid for writes. The kernel
        // takes what it reads from the packet through the flow dissector, which checks its length.
        kernel::error::to_result(unsafe {
            bindings::__xfrm_decode_session(
                net.as_raw(),
                skb.as_raw(),
                &raw mut raw,
                family.as_raw().into(),
                0,
            )
        })?;
        Ok(Self { raw, family })
    }

    /// Restricts the flow to the device with the index `ifindex`; 0 for any.
    pub(crate) fn set_output_device(&mut self, ifindex: c_int) {
        self.common().flowic_oif = ifindex;
    }

    /// Lets the source address be one that is not configured here.
    pub(crate) fn allow_any_source(&mut self) {
        // CAST: The flags are 8 bits wide.
        self.common().flowic_flags |= bindings::FLOWI_FLAG_ANYSRC as u8;
    }

    fn common(&mut self) -> &mut bindings::flowi_common {
        // SAFETY: All members of the union begin with this structure.
        unsafe { &mut self.raw.u.__fl_common }
    }

    pub(super) fn as_raw(&self) -> *const bindings::flowi {
        &raw const self.raw
    }

    /// The route that packets of the flow take from `net`.
    pub(crate) fn route(&mut self, net: &Net) -> Result<ARef<Dst>> {
        let flow = &raw mut self.raw;
        // SAFETY: The namespace is live, and the flow is one of this family.
        let dst = unsafe {
            match self.family {
                Family::Inet => bindings::net_helper_ip_route_output(net.as_raw(), flow),
                Family::Inet6 => bindings::net_helper_ip6_route_output(net.as_raw(), flow),
            }
        };
        // SAFETY: The look-up returned a route with a reference for us.
        let dst = unsafe { Dst::from_owned(from_err_ptr(dst)?) };
        dst.check()?;
        Ok(dst)
    }
}
