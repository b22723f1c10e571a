// SPDX-License-Identifier: GPL-2.0

#include <net/dst.h>
#include <net/ip6_route.h>
#include <net/neighbour.h>
#include <net/route.h>

#include "helpers.h"

void net_helper_dst_hold(struct dst_entry *dst)
{
	dst_hold(dst);
}

u32 net_helper_dst_mtu(const struct dst_entry *dst)
{
	return dst_mtu(dst);
}

struct net_device *net_helper_dst_dev_rcu(const struct dst_entry *dst)
{
	return dst_dev_rcu(dst);
}

void net_helper_dst_link_failure(struct sk_buff *skb)
{
	dst_link_failure(skb);
}

/* Whether packets for daddr that take the route can be handed to a neighbour at once. */
bool net_helper_dst_neigh_is_valid(const struct dst_entry *dst, const void *daddr)
{
	struct neighbour *neigh = dst_neigh_lookup(dst, daddr);
	bool valid;

	if (!neigh)
		return false;
	valid = READ_ONCE(neigh->nud_state) & NUD_VALID;
	neigh_release(neigh);

	return valid;
}

void net_helper_skb_dst_update_pmtu_no_confirm(struct sk_buff *skb, u32 mtu)
{
	skb_dst_update_pmtu_no_confirm(skb, mtu);
}

void net_helper_skb_dst_set(struct sk_buff *skb, struct dst_entry *dst)
{
	skb_dst_set(skb, dst);
}

void net_helper_skb_dst_drop(struct sk_buff *skb)
{
	skb_dst_drop(skb);
}

void net_helper_skb_dst_force(struct sk_buff *skb)
{
	skb_dst_force(skb);
}

struct dst_entry *net_helper_ip_route_output(struct net *net, struct flowi *fl)
{
	struct rtable *rt = __ip_route_output_key(net, &fl->u.ip4);

	return IS_ERR(rt) ? ERR_CAST(rt) : &rt->dst;
}

struct dst_entry *net_helper_ip6_route_output(struct net *net, struct flowi *fl)
{
	return ip6_route_output(net, NULL, &fl->u.ip6);
}
