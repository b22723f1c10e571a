// SPDX-License-Identifier: GPL-2.0

#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <net/l3mdev.h>

#include "helpers.h"

void *net_helper_netdev_priv(struct net_device *dev)
{
	return netdev_priv(dev);
}

void net_helper_dev_hold(struct net_device *dev)
{
	dev_hold(dev);
}

void net_helper_dev_put(struct net_device *dev)
{
	dev_put(dev);
}

void net_helper_netif_keep_dst(struct net_device *dev)
{
	netif_keep_dst(dev);
}

void net_helper_eth_hw_addr_inherit(struct net_device *to, struct net_device *from)
{
	eth_hw_addr_inherit(to, from);
}

void net_helper_eth_hw_addr_random(struct net_device *dev)
{
	eth_hw_addr_random(dev);
}

void net_helper_eth_broadcast_addr(struct net_device *dev)
{
	eth_broadcast_addr(dev->broadcast);
}

int net_helper_l3mdev_master_ifindex_rcu(struct net_device *dev)
{
	return l3mdev_master_ifindex_rcu(dev);
}

#define NET_HELPER_DEV_STATS_INC(field)						\
	void net_helper_dev_stats_inc_##field(struct net_device *dev)		\
	{									\
		DEV_STATS_INC(dev, field);					\
	}

NET_HELPER_DEV_STATS_INC(rx_errors)
NET_HELPER_DEV_STATS_INC(rx_dropped)
NET_HELPER_DEV_STATS_INC(tx_errors)
NET_HELPER_DEV_STATS_INC(tx_dropped)
NET_HELPER_DEV_STATS_INC(tx_aborted_errors)
NET_HELPER_DEV_STATS_INC(tx_carrier_errors)
NET_HELPER_DEV_STATS_INC(collisions)

unsigned int net_helper_ll_reserved_space(const struct net_device *dev)
{
	return LL_RESERVED_SPACE(dev);
}

void net_helper_netdev_warn_ratelimited(struct net_device *dev, const char *text)
{
	if (net_ratelimit())
		netdev_warn(dev, "%s\n", text);
}
