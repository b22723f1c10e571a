// SPDX-License-Identifier: GPL-2.0
/*
 * Static inline functions and macros of the kernel that Rust calls, wrapped as the kernel does it
 * in its rust/helpers: what is rust_helper_X here is bindings::X there. A wrapper holds no logic of
 * its own; C that does is in datapath/.
 *
 * All are one file for the compiler, and one for bindgen, which needs no prototypes.
 */

#ifdef __BINDGEN__
/* It leaves out inline functions. */
#define __rust_helper
#else
#define __rust_helper __always_inline
#endif

#include "dst.c"
#include "icmp.c"
#include "list.c"
#include "lwtunnel.c"
#include "net_namespace.c"
#include "netdevice.c"
#include "netlink.c"
#include "percpu.c"
#include "skbuff.c"
#include "timer.c"
#include "xfrm.c"
