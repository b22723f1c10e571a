// SPDX-License-Identifier: GPL-2.0

#include <linux/rtnetlink.h>
#include <net/netlink.h>

__rust_helper void rust_helper_ASSERT_RTNL(void)
{
	ASSERT_RTNL();
}

__rust_helper int rust_helper_nla_parse_nested(struct nlattr *tb[], int maxtype,
					       const struct nlattr *nla,
					       const struct nla_policy *policy,
					       struct netlink_ext_ack *extack)
{
	return nla_parse_nested(tb, maxtype, nla, policy, extack);
}

__rust_helper void rust_helper_do_trace_netlink_extack(const char *msg)
{
	do_trace_netlink_extack(msg);
}
