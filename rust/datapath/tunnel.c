// SPDX-License-Identifier: GPL-2.0
/*
 * Packets from one side of a tunnel device to the other.
 */

#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/checksum.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/sock.h>
#include <net/xfrm.h>

#include "../compat/compat.h"
#include "datapath.h"

/*
 * Takes away what no packet may take along from one side of a tunnel device to the other; with
 * "new_net" also what none may take along into another network namespace: among that is the mark.
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
 * Computes the checksum that a packet lacks, if that can be done on the spot: if the packet lies in
 * one piece. IPsec calls skb_checksum_help() for the others.
 */
static void sum(struct sk_buff *skb)
{
	unsigned int start = skb_checksum_start_offset(skb);
	unsigned int at = start + skb->csum_offset;

	if (skb_is_nonlinear(skb) || skb_is_gso(skb) || skb_csum_is_sctp(skb) ||
	    start >= skb->len || at + sizeof(__sum16) > skb->len)
		return;
	if (skb_cloned(skb) && !skb_clone_writable(skb, at + sizeof(__sum16)))
		return;
	if (skb->protocol == htons(ETH_P_IP) && ip_check_csum_start(skb))
		return;
	*(__sum16 *)(skb->data + at) =
		csum_fold(csum_partial(skb->data + start, skb->len - start, 0)) ?: CSUM_MANGLED_0;
	skb->ip_summed = CHECKSUM_NONE;
}

/*
 * Sends a packet of the device on, from "net" through dst, and counts it. Takes over the packet and
 * the reference to dst. Returns 0 if the packet was sent or will be: congestion is not an error.
 */
int datapath_tunnel_xmit(struct net_device *dev, struct net *net, struct sk_buff *skb,
			 struct dst_entry *dst)
{
	unsigned int len = skb->len;
	int err;

	/* Unless a device encrypts, which may make the checksum, too. */
	if (skb->ip_summed == CHECKSUM_PARTIAL && dst_xfrm(dst) &&
	    !READ_ONCE(dst_xfrm(dst)->xso.dev))
		sum(skb);
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
 * metadata, which may be NULL.
 */
void datapath_tunnel_rcv(struct net_device *dev, const struct net *net, struct sk_buff *skb,
			 struct dst_entry *metadata)
{
	scrub(skb, !net_eq(net, dev_net(dev)));
	if (metadata)
		skb_dst_set(skb, metadata);
	dev_sw_netstats_rx_add(dev, skb->len);
}
