// SPDX-License-Identifier: GPL-2.0

#include <net/dst.h>
#include <net/ip6_route.h>
#include <net/neighbour.h>
#include <net/route.h>

__rust_helper void rust_helper_dst_hold(struct dst_entry *dst)
{
	dst_hold(dst);
}

__rust_helper u32 rust_helper_dst_mtu(const struct dst_entry *dst)
{
	return dst_mtu(dst);
}

__rust_helper struct net_device *rust_helper_dst_dev_rcu(const struct dst_entry *dst)
{
	return dst_dev_rcu(dst);
}

__rust_helper void rust_helper_dst_link_failure(struct sk_buff *skb)
{
	dst_link_failure(skb);
}

__rust_helper struct neighbour *rust_helper_dst_neigh_lookup(const struct dst_entry *dst,
							     const void *daddr)
{
	return dst_neigh_lookup(dst, daddr);
}

__rust_helper void rust_helper_neigh_release(struct neighbour *neigh)
{
	neigh_release(neigh);
}

__rust_helper void rust_helper_skb_dst_update_pmtu_no_confirm(struct sk_buff *skb, u32 mtu)
{
	skb_dst_update_pmtu_no_confirm(skb, mtu);
}

__rust_helper void rust_helper_skb_dst_set(struct sk_buff *skb, struct dst_entry *dst)
{
	skb_dst_set(skb, dst);
}

__rust_helper void rust_helper_skb_dst_drop(struct sk_buff *skb)
{
	skb_dst_drop(skb);
}

__rust_helper void rust_helper_skb_dst_force(struct sk_buff *skb)
{
	skb_dst_force(skb);
}

__rust_helper struct rtable *rust_helper___ip_route_output_key(struct net *net, struct flowi4 *fl4)
{
	return __ip_route_output_key(net, fl4);
}

__rust_helper struct dst_entry *rust_helper_ip6_route_output(struct net *net, const struct sock *sk,
							     struct flowi6 *fl6)
{
	return ip6_route_output(net, sk, fl6);
}
