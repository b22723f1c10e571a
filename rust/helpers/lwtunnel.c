// SPDX-License-Identifier: GPL-2.0

#include <net/lwtunnel.h>

#include "helpers.h"

int net_helper_lwtunnel_encap_add_ops(const struct lwtunnel_encap_ops *ops, unsigned int type)
{
	return lwtunnel_encap_add_ops(ops, type);
}

void net_helper_lwtunnel_encap_del_ops(const struct lwtunnel_encap_ops *ops, unsigned int type)
{
	lwtunnel_encap_del_ops(ops, type);
}
