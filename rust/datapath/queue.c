// SPDX-License-Identifier: GPL-2.0
/*
 * Packets that get to a device without its queue.
 *
 * Where a route has the encapsulation, the kernel asks the driver before it hands a packet to the
 * device: after netfilter and BPF have seen it as one that is sent, and it was made to fit the MTU.
 * What follows for a device without a queue is a number of questions whether somebody at the device
 * wants to see the packet or it lacks something. If the answer is no to all of them, it can go to
 * the device at once. They are asked here for each packet, since any answer may change.
 *
 * C source: __dev_queue_xmit(), validate_xmit_skb(), dev_hard_start_xmit() in net/core/dev.c;
 * ip_finish_output2(), ip6_finish_output2()
 */

#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/ip6_fib.h>
#include <net/ipv6.h>
#include <net/sch_generic.h>
#include <net/sock.h>
#include <net/xfrm.h>

#include "datapath.h"

/* Whether nobody is at the device who would see the packet, or keep it. */
static bool is_alone(const struct net_device *dev)
{
	const struct netdev_queue *queue = netdev_get_tx_queue(dev, 0);

	if (!(READ_ONCE(dev->flags) & IFF_UP) || dev->real_num_tx_queues != 1 ||
	    netif_xmit_stopped(queue) || rcu_dereference_bh(queue->qdisc)->enqueue)
		return false;
	/* Packet sockets: those of this device and those of all. */
	if (!list_empty(&dev->ptype_all) || !list_empty(&dev_net_rcu(dev)->ptype_all))
		return false;
#ifdef CONFIG_NET_XGRESS
	if (rcu_access_pointer(dev->tcx_egress))
		return false;
#endif
#ifdef CONFIG_NETFILTER_EGRESS
	if (rcu_access_pointer(dev->nf_hooks_egress))
		return false;
#endif
#if IS_ENABLED(CONFIG_CGROUP_NET_PRIO)
	if (rcu_access_pointer(dev->priomap))
		return false;
#endif
	return true;
}

/* Whether the packet is as the device takes it, and nobody waits to hear that it gets there. */
static bool is_complete(struct sk_buff *skb, const struct net_device *dev)
{
	if (skb_is_gso(skb) || skb->encapsulation || skb_vlan_tag_present(skb) ||
	    skb_has_frag_list(skb) || !skb_frags_readable(skb) || xfrm_offload(skb))
		return false;
	if (skb_is_nonlinear(skb) && !(dev->features & NETIF_F_SG))
		return false;
	if (skb->ip_summed == CHECKSUM_PARTIAL && !(dev->features & NETIF_F_HW_CSUM))
		return false;
	if (skb_shinfo(skb)->tx_flags & (SKBTX_SCHED_TSTAMP | SKBTX_BPF))
		return false;
#ifdef CONFIG_SOCK_VALIDATE_XMIT
	if (skb->sk && sk_fullsock(skb->sk) && skb->sk->sk_validate_xmit_skb)
		return false;
#endif
	return true;
}

/*
 * Makes the packet, which is about to be handed to the device by a route, what the device would get
 * from its queue. Returns false if the packet has to go the whole way; then it is what it was.
 */
bool datapath_skip_queue(struct sk_buff *skb, const struct net_device *dev)
{
	struct sock *sk = skb->sk;

	if (!is_alone(dev) || !is_complete(skb, dev))
		return false;
#if IS_ENABLED(CONFIG_IPV6)
	/* IPv4 has counted it. */
	if (skb->protocol == htons(ETH_P_IPV6))
		IP6_UPD_PO_STATS(dev_net_rcu(dev), ip6_dst_idev(skb_dst(skb)), IPSTATS_MIB_OUT,
				 skb->len);
#endif
	/* The sender says once that it has heard from a neighbour; here is none that would care. */
	if (skb_get_dst_pending_confirm(skb) && sk && READ_ONCE(sk->sk_dst_pending_confirm))
		WRITE_ONCE(sk->sk_dst_pending_confirm, 0);
	skb_reset_mac_header(skb);
	skb_set_queue_mapping(skb, 0);
#ifdef CONFIG_NET_XGRESS
	skb->tc_at_ingress = 0;
#endif
	if (skb->ip_summed == CHECKSUM_PARTIAL)
		skb_set_transport_header(skb, skb_checksum_start_offset(skb));
	skb_dst_force(skb);
	return true;
}
