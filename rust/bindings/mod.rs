// SPDX-License-Identifier: GPL-2.0

//! What bindgen makes of `bindings_helper.h`: the C side of the crate.
//!
//! Only `net` calls its functions and looks into its structures; everything else goes through the
//! abstractions there. `xfrmi` uses constants of the user-space interface from here: the numbers of
//! netlink attributes (`IFLA_XFRM_*`, `LWT_XFRM_*`).
//!
//! The kernel's own `kernel::bindings` has some of these structures opaque, and others not at all.

#![allow(
    clippy::all,
    clippy::as_underscore,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ptr_cast_constness,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unknown_lints,
    unnecessary_transmutes,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]

use pin_init::MaybeZeroable;

use kernel::{
    bindings::{
        hrtimer_restart,
        module,
        task_struct, //
    },
    ffi, //
};

type __kernel_size_t = usize;
type __kernel_ssize_t = isize;
type __kernel_ptrdiff_t = isize;

include!(env!("NET_BINDINGS"));
