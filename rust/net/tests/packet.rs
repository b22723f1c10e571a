// SPDX-License-Identifier: GPL-2.0

//! Packets for tests.

use crate::{
    bindings,
    net::{
        skb::OwnedSkBuff,
        Family, //
    }, //
};

use kernel::prelude::*;

/// A packet whose network header begins with `bytes`, and that has nothing else.
pub(crate) fn packet(bytes: &[u8]) -> Result<OwnedSkBuff> {
    const NO_NODE: c_int = -1;

    // CAST: Test packets have a few bytes.
    let len = bytes.len() as c_uint;
    // SAFETY: It only allocates.
    let skb =
        unsafe { kernel::bindings::__alloc_skb(len, kernel::bindings::GFP_KERNEL, 0, NO_NODE) };
    if skb.is_null() {
        return Err(ENOMEM);
    }
    // SAFETY: The packet has room for so many bytes.
    let data = unsafe { kernel::bindings::skb_put(skb, len) };
    // SAFETY: They are nobody else's.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), data.cast::<u8>(), bytes.len()) };
    let skb = skb.cast::<bindings::sk_buff>();
    // SAFETY: The packet is ours alone; all members of the union are views of the same bytes.
    unsafe {
        let offset = (*skb).data.offset_from((*skb).head);
        // CAST: The headroom of a packet is small.
        (*skb).__bindgen_anon_4.headers.as_mut().network_header = offset as u16;
    }
    // SAFETY: The reference is ours.
    Ok(unsafe { OwnedSkBuff::from_raw(skb) })
}

/// Says of which family a packet is.
pub(crate) fn set_family(skb: &mut OwnedSkBuff, family: Family) {
    let protocol = match family {
        Family::Inet => bindings::ETH_P_IP,
        Family::Inet6 => bindings::ETH_P_IPV6,
    };
    // SAFETY: The packet is ours alone; all members of the union are views of the same bytes.
    unsafe {
        // CAST: These numbers have 16 bits.
        (*skb.as_raw()).__bindgen_anon_4.headers.as_mut().protocol = (protocol as u16).to_be();
    }
}

/// Gives a packet a mark.
pub(crate) fn set_mark(skb: &mut OwnedSkBuff, mark: u32) {
    // SAFETY: The packet is ours alone; all members of the union are views of the same bytes.
    unsafe {
        let headers = (*skb.as_raw()).__bindgen_anon_4.headers.as_mut();
        headers.__bindgen_anon_4.mark = mark;
    }
}
