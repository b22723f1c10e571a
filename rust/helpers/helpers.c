// SPDX-License-Identifier: GPL-2.0
/*
 * Static inline functions and macros of the kernel that Rust calls, wrapped as the kernel wraps
 * them in its rust/helpers: rust_helper_X() here is bindings::X() in Rust. A wrapper has no logic
 * of its own (what has is in ../datapath), and asks of its callers what X() asks of them.
 *
 * There is a file for each header or subsystem. All are one file for the compiler, and one for
 * bindgen, which needs no prototypes.
 */

#ifdef __BINDGEN__
/* bindgen leaves out inline functions. */
#define __rust_helper
#else
#define __rust_helper __always_inline
#endif

#include "bottom_half.c"
#include "dst.c"
#include "fib.c"
#include "icmp.c"
#include "list.c"
#include "lwtunnel.c"
#include "net_namespace.c"
#include "netdevice.c"
#include "netlink.c"
#include "percpu.c"
#include "skbuff.c"
#include "timer.c"
#include "workqueue.c"
#include "xfrm.c"
