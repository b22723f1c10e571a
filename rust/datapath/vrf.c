// SPDX-License-Identifier: GPL-2.0
/*
 * Packets that come in by a VRF although their device is no member of it.
 *
 * What the VRF does with packets of its members comes too late for that: they have come in by the
 * member before, for connection tracking and for the look-up of the route. So these packets are
 * the VRF's own, as those that it sends to itself are, and what it would do to show and count them
 * is done here.
 */

#include <linux/etherdevice.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <net/ipv6.h>

#include "datapath.h"

/*
 * Whether the packet may come in by a VRF. IPv6 takes from a VRF what no packet from outside may
 * have: the loopback address, and multicast that stays on its interface.
 */
static bool may_come_in(struct sk_buff *skb)
{
	const struct ipv6hdr *hdr;

	if (skb->protocol == htons(ETH_P_IP))
		return pskb_may_pull(skb, sizeof(struct iphdr));
	if (skb->protocol != htons(ETH_P_IPV6) || !pskb_may_pull(skb, sizeof(*hdr)))
		return false;
	hdr = ipv6_hdr(skb);
	return !ipv6_addr_loopback(&hdr->saddr) && !ipv6_addr_loopback(&hdr->daddr) &&
	       !(ipv6_addr_is_multicast(&hdr->daddr) &&
		 IPV6_ADDR_MC_SCOPE(&hdr->daddr) == IPV6_ADDR_SCOPE_NODELOCAL);
}

/* Shows the packet to whoever watches the VRF, which has Ethernet headers. */
static void show(struct net_device *vrf, struct sk_buff *skb)
{
	struct ethhdr *eth;

	if (skb_cow_head(skb, LL_RESERVED_SPACE(vrf)))
		return;
	eth = __skb_push(skb, ETH_HLEN);
	ether_addr_copy(eth->h_dest, vrf->dev_addr);
	ether_addr_copy(eth->h_source, vrf->dev_addr);
	eth->h_proto = skb->protocol;
	skb_reset_mac_header(skb);
	dev_queue_xmit_nit(skb, vrf);
	__skb_pull(skb, ETH_HLEN);
	skb_reset_mac_header(skb);
	skb_reset_mac_len(skb);
}

/*
 * Has the packet, which begins with its network header, come in by the VRF. Returns false if "vrf"
 * is none, or if the packet must not come in by one: then it is what it was.
 */
bool datapath_vrf_rcv(struct net_device *vrf, struct sk_buff *skb)
{
	if (!netif_is_l3_master(vrf) || skb_network_offset(skb) || !may_come_in(skb))
		return false;
	skb->dev = vrf;
	/* The VRF leaves these alone, and whoever watches it sees them when they come in. */
	if (skb->protocol == htons(ETH_P_IP) && ipv4_is_multicast(ip_hdr(skb)->daddr))
		return true;
	dev_dstats_rx_add(vrf, skb->len);
	if (unlikely(!list_empty(&vrf->ptype_all)))
		show(vrf, skb);
	/* The VRF counts and shows it no more, and makes it a packet for this host. */
	skb->pkt_type = PACKET_LOOPBACK;
	return true;
}
