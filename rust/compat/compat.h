/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the C code is written for and some kernels lack. Kbuild looks for each in the headers of the
 * tree that is built against.
 */
#ifndef XFRMI_COMPAT_H
#define XFRMI_COMPAT_H

#include <net/ip.h>

/* Since 7.2.11, and 7.3. */
#ifndef HAVE_IP_CHECK_CSUM_START
static inline int ip_check_csum_start(const struct sk_buff *skb)
{
	return skb->csum_start < skb->network_header + ip_hdrlen(skb) ? -EINVAL : 0;
}
#endif

#endif
