/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bindgen reads. bindgen_parameters says which items of it are taken.
 */

#include <linux/cpuhotplug.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/jiffies.h>
#include <linux/lwtunnel.h>
#include <linux/netdevice.h>
#include <linux/notifier.h>
#include <linux/percpu.h>
#include <linux/percpu-refcount.h>
#include <linux/rcupdate.h>
#include <linux/rhashtable.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <linux/timer.h>
#include <linux/workqueue.h>
#include <net/dst.h>
#include <net/dst_metadata.h>
#include <net/fib_notifier.h>
#include <net/gso.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/ip_fib.h>
#include <net/ip_tunnels.h>
#include <net/ipv6.h>
#include <net/lwtunnel.h>
#include <net/neighbour.h>
#include <net/net_namespace.h>
#include <net/netevent.h>
#include <net/netlink.h>
#include <net/nexthop.h>
#include <net/route.h>
#include <net/rtnetlink.h>
#include <net/xfrm.h>

#include "../datapath/datapath.h"
#include "../helpers/helpers.c"
#include "../kfuncs.h"
#include "../version.h"

/* The member of a union without a name, of which bindgen counts as many as are configured. */
const size_t RUST_CONST_HELPER_SKB_MARK = offsetof(struct sk_buff, mark);

/* Macros that bindgen cannot evaluate. */
const netdev_features_t RUST_CONST_HELPER_NETIF_F_SG = NETIF_F_SG;
const netdev_features_t RUST_CONST_HELPER_NETIF_F_FRAGLIST = NETIF_F_FRAGLIST;
const netdev_features_t RUST_CONST_HELPER_NETIF_F_GSO_SOFTWARE = NETIF_F_GSO_SOFTWARE;
const netdev_features_t RUST_CONST_HELPER_NETIF_F_HW_CSUM = NETIF_F_HW_CSUM;
const u16 RUST_CONST_HELPER_LWTUNNEL_STATE_XMIT_REDIRECT = LWTUNNEL_STATE_XMIT_REDIRECT;
const u32 RUST_CONST_HELPER_NUD_VALID = NUD_VALID;
