// SPDX-License-Identifier: GPL-2.0
#include "routes.h"
#include "grammar.h"

#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <sys/socket.h>

const uint16_t mtus[3] = { 1500, 1400, 1290 };

static const uint32_t tables[] = { RT_TABLE_MAIN, 100, 77 };

/* A next hop that routes name has a number of its own for each family. */
static uint32_t nexthop_id(bool six, int which)
{
	static const uint32_t numbers[][3] = { { 1, 2, 10 }, { 3, 4, 20 } };

	return numbers[six][which];
}

int route(struct world *w, uint16_t type, bool six, int to, bool from_local, int table, int via, int metric,
		 int mtu)
{
	static const char *const prefixes[][2] = {
		{ "203.0.113.2", "2001:db8:f::2" }, { "203.0.113.0", "2001:db8:f::" }, { "0.0.0.0", "::" },
	};
	static const uint8_t lengths[][2] = { { 32, 128 }, { 24, 64 }, { 0, 0 } };
	static const uint8_t types[] = {
		[VIA_BLACKHOLE] = RTN_BLACKHOLE, [VIA_UNREACHABLE] = RTN_UNREACHABLE, [VIA_PROHIBIT] = RTN_PROHIBIT,
		[VIA_THROW] = RTN_THROW,
	};
	struct rtmsg rtm = {
		.rtm_family = family_of(six), .rtm_dst_len = lengths[to][six], .rtm_protocol = RTPROT_STATIC,
		.rtm_table = tables[table], .rtm_type = via > VIA_GROUP ? types[via] : RTN_UNICAST,
		.rtm_src_len = from_local && six ? 128 : 0,
	};
	struct message m;
	uint32_t at;

	if (type == RTM_DELROUTE) {
		rtm.rtm_scope = RT_SCOPE_NOWHERE;
		rtm.rtm_type = 0;
		rtm.rtm_protocol = 0;
	}
	message_begin(&m, type, type == RTM_NEWROUTE ? CREATE : 0);
	message_add(&m, &rtm, sizeof(rtm));
	put_address(&m, RTA_DST, six, prefixes[to][six]);
	if (from_local)
		put_address(&m, six ? RTA_SRC : RTA_PREFSRC, six, local_address[six]);
	if (metric)
		put_u32(&m, RTA_PRIORITY, metric);
	if (type == RTM_DELROUTE)
		return request(w->rtnl[HERE], &m);
	if (via == VIA_GROUP) {
		put_u32(&m, RTA_NH_ID, nexthop_id(six, 2));
	} else if (via < VIA_GROUP) {
		put_u32(&m, RTA_OIF, via == VIA_U2 ? U2 : U1);
		put_address(&m, RTA_GATEWAY, six, gateway[via][six]);
	}
	if (mtu) {
		at = nest_begin(&m, RTA_METRICS);
		put_u32(&m, RTAX_MTU, mtu);
		nest_end(&m, at);
	}
	return request(w->rtnl[HERE], &m);
}

int do_route_replace(struct world *w, const uint8_t *a)
{
	return route(w, RTM_NEWROUTE, a[0], a[1], a[2], a[3], a[4], 10 * a[5], a[6] ? mtus[a[6]] : 0);
}

int do_route_delete(struct world *w, const uint8_t *a)
{
	return route(w, RTM_DELROUTE, a[0], a[1], a[2], a[3], 0, 10 * a[4], 0);
}

static int rule(struct world *w, uint16_t type, const uint8_t *a)
{
	bool six = a[0];
	struct fib_rule_hdr hdr = {
		.family = family_of(six), .action = FR_ACT_TO_TBL, .table = tables[a[3]],
		.src_len = a[2] == 2 ? address_len(six) * 8 : 0, .dst_len = a[2] == 3 ? address_len(six) * 8 : 0,
	};
	struct message m;

	message_begin(&m, type, type == RTM_NEWRULE ? NLM_F_CREATE | NLM_F_EXCL : 0);
	message_add(&m, &hdr, sizeof(hdr));
	put_u32(&m, FRA_PRIORITY, 100 * (a[1] + 1));
	switch (a[2]) {
	case 1:
		put_u32(&m, FRA_FWMARK, 1);
		put_u32(&m, FRA_FWMASK, 0xf);
		break;
	case 2: put_address(&m, FRA_SRC, six, local_address[six]); break;
	case 3: put_address(&m, FRA_DST, six, peer_address[six]); break;
	case 4: put_text(&m, FRA_IIFNAME, "lo"); break;
	case 5: put_u32(&m, FRA_SUPPRESS_PREFIXLEN, 24); break;
	}
	return request(w->rtnl[HERE], &m);
}

int do_rule_add(struct world *w, const uint8_t *a)
{
	return rule(w, RTM_NEWRULE, a);
}

int do_rule_delete(struct world *w, const uint8_t *a)
{
	return rule(w, RTM_DELRULE, a);
}

static uint32_t nexthop_begin(struct message *m, uint16_t type, bool six, uint32_t id)
{
	struct nhmsg nhm = { .nh_protocol = type == RTM_NEWNEXTHOP ? RTPROT_STATIC : 0 };

	nhm.nh_family = type == RTM_NEWNEXTHOP && id < 10 ? family_of(six) : AF_UNSPEC;
	message_begin(m, type, type == RTM_NEWNEXTHOP ? CREATE : 0);
	message_add(m, &nhm, sizeof(nhm));
	put_u32(m, NHA_ID, id);
	return m->len;
}

int do_nexthop_replace(struct world *w, const uint8_t *a)
{
	struct message m;

	/* A group is made of others. */
	nexthop_begin(&m, RTM_NEWNEXTHOP, a[0], nexthop_id(a[0], a[1] % 2));
	if (a[2] == 2) {
		put(&m, NHA_BLACKHOLE, NULL, 0);
	} else {
		put_u32(&m, NHA_OIF, U1 + a[2]);
		put_address(&m, NHA_GATEWAY, a[0], gateway[a[2]][a[0]]);
	}
	return request(w->rtnl[HERE], &m);
}

int do_nexthop_group(struct world *w, const uint8_t *a)
{
	struct nexthop_grp group[2] = {};
	struct message m;
	int n = 0;

	if (a[1] != 1)
		group[n++].id = nexthop_id(a[0], 0);
	if (a[1] != 0)
		group[n++].id = nexthop_id(a[0], 1);
	nexthop_begin(&m, RTM_NEWNEXTHOP, a[0], nexthop_id(a[0], 2));
	put(&m, NHA_GROUP, group, n * sizeof(group[0]));
	return request(w->rtnl[HERE], &m);
}

int do_nexthop_delete(struct world *w, const uint8_t *a)
{
	struct message m;

	nexthop_begin(&m, RTM_DELNEXTHOP, a[0], nexthop_id(a[0], a[1]));
	return request(w->rtnl[HERE], &m);
}

int neighbour(struct world *w, bool six, int index, const char *address, uint8_t mac, int state)
{
	static const uint16_t states[] = { NUD_PERMANENT, NUD_FAILED, NUD_PERMANENT };
	struct ndmsg ndm = { .ndm_family = family_of(six), .ndm_ifindex = index };
	struct message m;

	if (state < 3)
		ndm.ndm_state = states[state];
	message_begin(&m, state < 3 ? RTM_NEWNEIGH : RTM_DELNEIGH, state < 3 ? CREATE : 0);
	message_add(&m, &ndm, sizeof(ndm));
	put_address(&m, NDA_DST, six, address);
	if (ndm.ndm_state == NUD_PERMANENT)
		put(&m, NDA_LLADDR, (uint8_t[]){ 2, 0, 0, 0, state, mac }, 6);
	return request(w->rtnl[HERE], &m);
}

int do_neighbour(struct world *w, const uint8_t *a)
{
	return neighbour(w, a[0], U1 + a[1], gateway[a[1]][a[0]], 9 + a[1], a[2]);
}

int address(struct world *w, int place, uint16_t type, bool six, int index, const char *text, uint8_t len)
{
	struct ifaddrmsg ifa = { .ifa_family = family_of(six), .ifa_prefixlen = len, .ifa_index = index };
	struct message m;

	message_begin(&m, type, type == RTM_NEWADDR ? CREATE : 0);
	message_add(&m, &ifa, sizeof(ifa));
	put_address(&m, IFA_LOCAL, six, text);
	put_address(&m, IFA_ADDRESS, six, text);
	if (six && type == RTM_NEWADDR)
		put_u32(&m, IFA_FLAGS, IFA_F_NODAD);
	return request(w->rtnl[place], &m);
}

int do_address(struct world *w, const uint8_t *a)
{
	return address(w, HERE, a[0] ? RTM_DELADDR : RTM_NEWADDR, a[1], U1 + a[2],
		       a[2] ? second_address[a[1]] : local_address[a[1]], a[1] ? 64 : 24);
}
