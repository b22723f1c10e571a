// SPDX-License-Identifier: GPL-2.0

#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/sock.h>
#include <net/xfrm.h>

#include "helpers.h"

/*
 * Takes away what no packet may take along from one side of a tunnel device to the other, and with
 * "new_net" what none may take along into another network namespace, besides.
 */
static __always_inline void scrub(struct sk_buff *skb, bool new_net)
{
	skb_clear_tstamp(skb);
	skb->pkt_type = PACKET_HOST;
	skb->skb_iif = 0;
	skb->ignore_df = 0;
	skb_dst_drop(skb);
	nf_reset_ct(skb);
	nf_reset_trace(skb);
	if (!new_net)
		return;
	ipvs_reset(skb);
	secpath_reset(skb);
	skb_orphan(skb);
	skb->mark = 0;
}

/*
 * Sends a packet of the device on, from "net" through dst, and counts it. Takes over the packet and
 * the reference to dst; under RCU, with softirqs disabled. Returns 0 if the packet was sent or will
 * be: congestion is not an error.
 */
int net_helper_tunnel_xmit(struct net_device *dev, struct net *net, struct sk_buff *skb,
			   struct dst_entry *dst)
{
	unsigned int len = skb->len;
	int err;

	scrub(skb, !net_eq(net, dev_net(dev)));
	skb_dst_set(skb, dst);
	skb->dev = dst_dev_rcu(dst);
	err = dst_output(net, skb_to_full_sk(skb), skb);
	err = net_xmit_eval(err);
	if (likely(!err))
		dev_sw_netstats_tx_add(dev, 1, len);

	return err;
}

/*
 * Lets the device receive a packet from "net", and counts it. Takes over the reference to the
 * metadata, which may be NULL; with softirqs disabled.
 */
void net_helper_tunnel_rcv(struct net_device *dev, const struct net *net, struct sk_buff *skb,
			   struct dst_entry *metadata)
{
	scrub(skb, !net_eq(net, dev_net(dev)));
	if (metadata)
		skb_dst_set(skb, metadata);
	dev_sw_netstats_rx_add(dev, skb->len);
}
