// SPDX-License-Identifier: GPL-2.0

//! What TC programs do with the metadata of packets, through the functions in `kfuncs.c`.
//!
//! BPF programs on a classifier hook read which connection a packet came through, and choose the
//! one that it is sent through, by two kernel functions (kfuncs). The verifier knows functions by
//! their BTF, which Rust does not have, so the functions themselves are C, in `rust/kfuncs.c`. They
//! call the two here.
//!
//! Programs run in softirq context or with softirqs disabled, under RCU. Nothing here sleeps.
//!
//! C source: [`net/xfrm/xfrm_interface_bpf.c`](srctree/net/xfrm/xfrm_interface_bpf.c)
//!
//! # Examples
//!
//! A program that sends what it sees through the connection 7:
//!
//! ```c
//! struct bpf_xfrm_info {
//!     __u32 if_id;
//!     int link;
//! } __attribute__((preserve_access_index));
//!
//! extern int bpf_skb_set_xfrm_info(struct __sk_buff *skb_ctx,
//!                                  const struct bpf_xfrm_info *from) __ksym;
//!
//! SEC("tc")
//! int choose(struct __sk_buff *skb)
//! {
//!     struct bpf_xfrm_info info = { .if_id = 7 };
//!
//!     return bpf_skb_set_xfrm_info(skb, &info) ? TC_ACT_SHOT : TC_ACT_OK;
//! }
//! ```
//!
//! What it has set is metadata like any other:
//!
//! ```
//! use crate::net::xfrm::{
//!     MdInfo,
//!     SharedMetadata, //
//! };
//!
//! # let mut skb = crate::net::tests::packet::packet(&[0x45; 20])?;
//! # skb.set_metadata(SharedMetadata::new(MdInfo { if_id: 7, link: 0 })?.into_inner());
//! let (info, route) = skb.md_info_and_route();
//! assert!(info.is_some_and(|info| info.if_id == 7 && info.link == 0));
//! assert!(route.is_none());
//! ```

use super::MdInfo;

use crate::{
    bindings,
    net::{
        dst::{
            Metadata,
            SkbDst, //
        },
        skb::SkBuff, //
    }, //
};

use kernel::{
    error::{
        from_result,
        to_result, //
    },
    prelude::*,
    sync::aref::ARef, //
};

/// Makes the functions known to the verifier, which knows them until the module goes. Fails as
/// `register_btf_kfunc_id_set()` does. In process context; may sleep.
pub(crate) fn register() -> Result {
    // SAFETY: The set of functions is static.
    to_result(unsafe { bindings::register_xfrm_interface_kfuncs() })
}

/// Reads which connection a packet belongs to: from its metadata, or else from its route.
///
/// `if_id` is written in host byte order, `link` as an interface index. Returns 0, or `-EINVAL` if
/// neither says so.
///
/// # Safety
///
/// `skb` is a packet that the caller handles, `if_id` and `link` are valid for writes.
#[no_mangle]
unsafe extern "C" fn net_xfrm_info_get(
    skb: *mut bindings::sk_buff,
    if_id: *mut u32,
    link: *mut c_int,
) -> c_int {
    // SAFETY: The contract of this function.
    let skb = unsafe { SkBuff::from_raw(skb) };
    let (info, route) = skb.md_info_and_route();
    let info = info.or_else(|| route?.xfrm_info());
    let Some(info) = info else {
        return EINVAL.to_errno();
    };
    // SAFETY: The contract of this function.
    unsafe {
        *if_id = info.if_id;
        *link = info.link;
    }
    0
}

/// Sets which connection a packet is to be sent through: `if_id` in host byte order, and the index
/// of the device to send through, 0 for any. The route of the packet is kept with the metadata.
///
/// Returns 0, `-EINVAL` if the packet has metadata, or `-ENOMEM`, which leaves it as it was.
///
/// # Safety
///
/// `skb` is a packet that the caller handles.
#[no_mangle]
unsafe extern "C" fn net_xfrm_info_set(
    skb: *mut bindings::sk_buff,
    if_id: u32,
    link: c_int,
) -> c_int {
    // SAFETY: The contract of this function.
    let skb = unsafe { SkBuff::from_raw(skb) };
    from_result(|| {
        let route = match skb.dst() {
            SkbDst::None => None,
            SkbDst::Route(route) => Some(ARef::from(route)),
            SkbDst::Metadata(_) => return Err(EINVAL),
        };
        skb.set_metadata(Metadata::new_xfrm(MdInfo { if_id, link }, route)?);
        Ok(0)
    })
}
