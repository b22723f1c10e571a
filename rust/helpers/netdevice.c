// SPDX-License-Identifier: GPL-2.0

#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <net/l3mdev.h>

__rust_helper void rust_helper_dev_hold(struct net_device *dev)
{
	dev_hold(dev);
}

__rust_helper void rust_helper_dev_put(struct net_device *dev)
{
	dev_put(dev);
}

__rust_helper void rust_helper_netif_keep_dst(struct net_device *dev)
{
	netif_keep_dst(dev);
}

__rust_helper void rust_helper_eth_hw_addr_inherit(struct net_device *to, struct net_device *from)
{
	eth_hw_addr_inherit(to, from);
}

__rust_helper void rust_helper_eth_hw_addr_random(struct net_device *dev)
{
	eth_hw_addr_random(dev);
}

__rust_helper void rust_helper_eth_broadcast_addr(u8 *addr)
{
	eth_broadcast_addr(addr);
}

__rust_helper int rust_helper_l3mdev_master_ifindex_rcu(struct net_device *dev)
{
	return l3mdev_master_ifindex_rcu(dev);
}

__rust_helper bool rust_helper_netif_is_l3_master(const struct net_device *dev)
{
	return netif_is_l3_master(dev);
}

__rust_helper u32 rust_helper_l3mdev_fib_table_rcu(const struct net_device *dev)
{
	return l3mdev_fib_table_rcu(dev);
}

#define DEV_STATS_INC_HELPER(field)						\
	__rust_helper void rust_helper_DEV_STATS_INC_##field(struct net_device *dev)	\
	{									\
		DEV_STATS_INC(dev, field);					\
	}

DEV_STATS_INC_HELPER(rx_errors)
DEV_STATS_INC_HELPER(rx_dropped)
DEV_STATS_INC_HELPER(tx_errors)
DEV_STATS_INC_HELPER(tx_dropped)
DEV_STATS_INC_HELPER(tx_aborted_errors)
DEV_STATS_INC_HELPER(tx_carrier_errors)
DEV_STATS_INC_HELPER(collisions)

__rust_helper unsigned int rust_helper_LL_RESERVED_SPACE(const struct net_device *dev)
{
	return LL_RESERVED_SPACE(dev);
}
