// SPDX-License-Identifier: GPL-2.0

#include <net/nexthop.h>

__rust_helper bool rust_helper_nexthop_get(struct nexthop *nh)
{
	return nexthop_get(nh);
}

__rust_helper void rust_helper_nexthop_put(struct nexthop *nh)
{
	nexthop_put(nh);
}

__rust_helper unsigned int rust_helper_nexthop_num_path(const struct nexthop *nh)
{
	return nexthop_num_path(nh);
}

__rust_helper struct fib_nh_common *rust_helper_nexthop_fib_nhc(struct nexthop *nh, int nhsel)
{
	return nexthop_fib_nhc(nh, nhsel);
}

__rust_helper struct fib_nh_common *rust_helper_fib_info_nhc(struct fib_info *fi, int nhsel)
{
	return fib_info_nhc(fi, nhsel);
}

__rust_helper int rust_helper_notifier_from_errno(int err)
{
	return notifier_from_errno(err);
}
