// SPDX-License-Identifier: GPL-2.0

#include <linux/rtnetlink.h>
#include <net/netlink.h>

#include "helpers.h"

void net_helper_assert_rtnl(void)
{
	ASSERT_RTNL();
}

int net_helper_nla_parse_nested(struct nlattr *tb[], int maxtype, const struct nlattr *nla,
				const struct nla_policy *policy, struct netlink_ext_ack *extack)
{
	return nla_parse_nested(tb, maxtype, nla, policy, extack);
}

void net_helper_nl_set_err_msg(struct netlink_ext_ack *extack, const char *msg,
			       const struct nlattr *attr)
{
	do_trace_netlink_extack(msg);
	if (!extack)
		return;
	extack->_msg = msg;
	extack->bad_attr = attr;
}

void net_helper_nl_set_err_attr_miss(struct netlink_ext_ack *extack, const char *msg,
				     const struct nlattr *nest, u32 type)
{
	do_trace_netlink_extack(msg);
	if (!extack)
		return;
	extack->_msg = msg;
	NL_SET_ERR_ATTR_MISS(extack, nest, type);
}
