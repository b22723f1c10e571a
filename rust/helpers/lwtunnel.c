// SPDX-License-Identifier: GPL-2.0

#include <net/lwtunnel.h>

__rust_helper int rust_helper_lwtunnel_encap_add_ops(const struct lwtunnel_encap_ops *ops,
						     unsigned int type)
{
	return lwtunnel_encap_add_ops(ops, type);
}

__rust_helper void rust_helper_lwtunnel_encap_del_ops(const struct lwtunnel_encap_ops *ops,
						      unsigned int type)
{
	lwtunnel_encap_del_ops(ops, type);
}
