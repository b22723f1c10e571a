// SPDX-License-Identifier: GPL-2.0
/*
 * What is done with packets before they enter a state.
 */

#include <linux/inetdevice.h>
#include <net/addrconf.h>
#include <net/protocol.h>
#include <net/tcx.h>
#include <net/xfrm.h>

#include "datapath.h"

/*
 * Has a packet enter its state, as xfrm4_rcv_spi() does, with an encapsulation besides. Takes over
 * the packet. An spi of 0 is read from the header.
 */
int datapath_xfrm4_input(struct sk_buff *skb, int nexthdr, __be32 spi, int encap_type)
{
	XFRM_TUNNEL_SKB_CB(skb)->tunnel.ip4 = NULL;
	XFRM_SPI_SKB_CB(skb)->family = AF_INET;
	XFRM_SPI_SKB_CB(skb)->daddroff = offsetof(struct iphdr, daddr);
	return xfrm_input(skb, nexthdr, spi, encap_type);
}

/* The same for IPv6, as xfrm6_rcv_spi() does. */
int datapath_xfrm6_input(struct sk_buff *skb, int nexthdr, __be32 spi, int encap_type)
{
	XFRM_TUNNEL_SKB_CB(skb)->tunnel.ip6 = NULL;
	XFRM_SPI_SKB_CB(skb)->family = AF_INET6;
	XFRM_SPI_SKB_CB(skb)->daddroff = offsetof(struct ipv6hdr, daddr);
	return xfrm_input(skb, nexthdr, spi, encap_type);
}

#if IS_REACHABLE(CONFIG_INET_XFRM_TUNNEL)
/* A packet in an IPv4 packet; the source address stands for the SPI (xfrmi4_rcv_tunnel()). */
int datapath_xfrm4_rcv_tunnel(struct sk_buff *skb)
{
	return xfrm4_rcv_spi(skb, IPPROTO_IPIP, ip_hdr(skb)->saddr);
}
#endif

#if IS_REACHABLE(CONFIG_INET6_XFRM_TUNNEL)
/* A packet in an IPv6 packet; xfrm6_tunnel knows the SPI (xfrmi6_rcv_tunnel()). */
int datapath_xfrm6_rcv_tunnel(struct sk_buff *skb)
{
	const xfrm_address_t *saddr = (const xfrm_address_t *)&ipv6_hdr(skb)->saddr;
	__be32 spi = xfrm6_tunnel_spi_lookup(dev_net(skb->dev), saddr);

	return xfrm6_rcv_spi(skb, IPPROTO_IPV6, spi, NULL);
}
#endif

/*
 * The state that a packet enters next, with a reference; NULL if there is none. The packet's
 * transport header is that of nexthdr, which has the SPI if that is not given (0).
 */
struct xfrm_state *datapath_next_state(struct sk_buff *skb, int nexthdr, __be32 spi,
				       unsigned short family)
{
	const xfrm_address_t *daddr;
	__be32 seq;

	if (!spi && xfrm_parse_spi(skb, nexthdr, &spi, &seq))
		return NULL;

	if (family == AF_INET)
		daddr = (const xfrm_address_t *)&ip_hdr(skb)->daddr;
	else
		daddr = (const xfrm_address_t *)&ipv6_hdr(skb)->daddr;
	return xfrm_state_lookup(dev_net(skb->dev), skb->mark, daddr, spi, nexthdr, family);
}

/*
 * The state that takes what IPComp has left as it was, an IP packet in this one, with a reference;
 * NULL if there is none.
 */
struct xfrm_state *datapath_next_tunnel_state(struct sk_buff *skb, struct net *net,
					      unsigned short family)
{
	const xfrm_address_t *daddr;

	if (family == AF_INET) {
		daddr = (const xfrm_address_t *)&ip_hdr(skb)->daddr;
		return xfrm_state_lookup(net, skb->mark, daddr, ip_hdr(skb)->saddr, IPPROTO_IPIP,
					 AF_INET);
	}
#if IS_REACHABLE(CONFIG_INET6_XFRM_TUNNEL)
	const xfrm_address_t *saddr = (const xfrm_address_t *)&ipv6_hdr(skb)->saddr;
	__be32 spi = xfrm6_tunnel_spi_lookup(net, saddr);

	daddr = (const xfrm_address_t *)&ipv6_hdr(skb)->daddr;
	if (spi)
		return xfrm_state_lookup(net, skb->mark, daddr, spi, IPPROTO_IPV6, AF_INET6);
#endif
	return NULL;
}

/*
 * Whether the policies allow a packet that came in. A refusal is not counted: what it adds to the
 * counters of this CPU is taken off again. Packets come in with softirqs disabled, so nobody else
 * counts there meanwhile.
 */
bool datapath_policy_try_in(struct net *net, struct sk_buff *skb, unsigned short family)
{
#ifdef CONFIG_XFRM_STATISTICS
	struct linux_xfrm_mib *mib = this_cpu_ptr(net->mib.xfrm_statistics);
	struct linux_xfrm_mib before = *mib;
	bool allowed = xfrm_policy_check(NULL, XFRM_POLICY_IN, skb, family);

	if (!allowed)
		*mib = before;
	return allowed;
#else
	return xfrm_policy_check(NULL, XFRM_POLICY_IN, skb, family);
#endif
}

/* Whether the administrator has said that packets which come in by the device obey no policies. */
static bool obeys_no_policy(const struct net_device *dev, unsigned short family)
{
	struct in_device *in_dev = __in_dev_get_rcu(dev);
#if IS_ENABLED(CONFIG_IPV6)
	struct inet6_dev *idev = __in6_dev_get(dev);

	if (family == AF_INET6)
		return (idev && READ_ONCE(idev->cnf.disable_policy)) ||
		       READ_ONCE(dev_net_rcu(dev)->ipv6.devconf_all->disable_policy);
#endif
	return in_dev && IN_DEV_ORCONF(in_dev, NOPOLICY);
}

/*
 * Whether the policies allow a packet that came in by its device as one for this host, or as one
 * that is forwarded: which it is to be is not known yet. A refusal is counted once.
 */
bool datapath_policy_try_any(struct net *net, struct sk_buff *skb, unsigned short family)
{
	return obeys_no_policy(skb->dev, family) || datapath_policy_try_in(net, skb, family) ||
	       xfrm_policy_check(NULL, XFRM_POLICY_FWD, skb, family);
}

/*
 * Whether TC or BPF has programs at the ingress of the device. There is a place for them also where
 * all are at its egress.
 */
bool datapath_has_tc_ingress(const struct net_device *dev)
{
#ifdef CONFIG_NET_XGRESS
	struct bpf_mprog_entry *entry = rcu_dereference_raw(dev->tcx_ingress);

	return entry && (rcu_access_pointer(tcx_entry(entry)->miniq) || bpf_mprog_total(entry));
#else
	return false;
#endif
}

/* Whether GRO takes ESP: esp4_offload or esp6_offload is there. In any context. */
bool datapath_gro_takes_esp(void)
{
	return rcu_access_pointer(inet_offloads[IPPROTO_ESP]) ||
	       rcu_access_pointer(inet6_offloads[IPPROTO_ESP]);
}
