/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Changes of routes, rules, next hops, neighbours, addresses, devices and settings; and the state that a world
 * begins with.
 */
#ifndef FUZZ_CHANGES_ROUTE_H
#define FUZZ_CHANGES_ROUTE_H

#include "fuzz-changes-grammar.h"
#include "fuzz-changes-world.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/lwtunnel.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#define CREATE (NLM_F_CREATE | NLM_F_REPLACE)

static const uint32_t tables[] = { RT_TABLE_MAIN, 100, 77 };

/* A next hop that routes name has a number of its own for each family. */
static uint32_t nexthop_id(bool six, int which)
{
	static const uint32_t numbers[][3] = { { 1, 2, 10 }, { 3, 4, 20 } };

	return numbers[six][which];
}

/* The places of %G. */
enum { VIA_U1, VIA_U2, VIA_BESIDE, VIA_GROUP, VIA_BLACKHOLE, VIA_UNREACHABLE, VIA_PROHIBIT, VIA_THROW };

static int route(struct world *w, uint16_t type, bool six, int to, bool from_local, int table, int via, int metric,
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

static const uint16_t mtus[] = { 1500, 1400, 1290 };

static int do_route_replace(struct world *w, const uint8_t *a)
{
	return route(w, RTM_NEWROUTE, a[0], a[1], a[2], a[3], a[4], 10 * a[5], a[6] ? mtus[a[6]] : 0);
}

static int do_route_delete(struct world *w, const uint8_t *a)
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

static int do_rule_add(struct world *w, const uint8_t *a)
{
	return rule(w, RTM_NEWRULE, a);
}

static int do_rule_delete(struct world *w, const uint8_t *a)
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

static int do_nexthop_replace(struct world *w, const uint8_t *a)
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

static int do_nexthop_group(struct world *w, const uint8_t *a)
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

static int do_nexthop_delete(struct world *w, const uint8_t *a)
{
	struct message m;

	nexthop_begin(&m, RTM_DELNEXTHOP, a[0], nexthop_id(a[0], a[1]));
	return request(w->rtnl[HERE], &m);
}

static int neighbour(struct world *w, bool six, int index, const char *address, uint8_t mac, int state)
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

static int do_neighbour(struct world *w, const uint8_t *a)
{
	return neighbour(w, a[0], U1 + a[1], gateway[a[1]][a[0]], 9 + a[1], a[2]);
}

static int address(struct world *w, int place, uint16_t type, bool six, int index, const char *text, uint8_t len)
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

static int do_address(struct world *w, const uint8_t *a)
{
	return address(w, HERE, a[0] ? RTM_DELADDR : RTM_NEWADDR, a[1], U1 + a[2],
		       a[2] ? second_address[a[1]] : local_address[a[1]], a[1] ? 64 : 24);
}

static void link_begin(struct message *m, uint16_t type, uint16_t flags, int index, uint32_t set, uint32_t change)
{
	struct ifinfomsg ifi = { .ifi_index = index, .ifi_flags = set, .ifi_change = change };

	message_begin(m, type, flags);
	message_add(m, &ifi, sizeof(ifi));
}

static int link_up(struct world *w, int place, int index, bool up)
{
	struct message m;

	link_begin(&m, RTM_NEWLINK, 0, index, up ? IFF_UP : 0, IFF_UP);
	return request(w->rtnl[place], &m);
}

static int link_delete(struct world *w, int place, int index)
{
	struct message m;

	link_begin(&m, RTM_DELLINK, 0, index, 0, 0);
	return request(w->rtnl[place], &m);
}

static int link_number(struct world *w, int place, int index, uint16_t type, uint32_t value)
{
	struct message m;

	link_begin(&m, RTM_NEWLINK, 0, index, 0, 0);
	put_u32(&m, type, value);
	return request(w->rtnl[place], &m);
}

static int do_link_mtu(struct world *w, const uint8_t *a)
{
	return link_number(w, HERE, U1 + a[0], IFLA_MTU, mtus[a[1]]);
}

static int do_link_state(struct world *w, const uint8_t *a)
{
	return link_up(w, HERE, U1 + a[0], !a[1]);
}

static int do_link_master(struct world *w, const uint8_t *a)
{
	return link_number(w, HERE, U1 + a[0], IFLA_MASTER, a[1] ? 0 : RED);
}

static int do_link_rename(struct world *w, const uint8_t *a)
{
	struct message m;

	link_begin(&m, RTM_NEWLINK, 0, U1 + a[0], 0, 0);
	put_text(&m, IFLA_IFNAME, a[1] ? "b" : "a");
	return request(w->rtnl[HERE], &m);
}

static int do_link_move(struct world *w, const uint8_t *a)
{
	return link_number(w, HERE, U2, IFLA_NET_NS_FD, w->ns[INNER]);
}

static int do_link_delete(struct world *w, const uint8_t *a)
{
	return link_delete(w, HERE, U2);
}

/* An underlay, which asks for neighbours although it is a dummy. */
static void underlay(struct world *w, int index, const char *name)
{
	struct message m;
	uint32_t at;

	link_begin(&m, RTM_NEWLINK, NLM_F_CREATE, index, IFF_UP, IFF_UP | IFF_NOARP);
	put_text(&m, IFLA_IFNAME, name);
	put(&m, IFLA_ADDRESS, (uint8_t[]){ 2, 0, 0, 0, 0, index }, 6);
	put_u32(&m, IFLA_MTU, 1500);
	put_u32(&m, IFLA_MASTER, 0);
	at = nest_begin(&m, IFLA_LINKINFO);
	put_text(&m, IFLA_INFO_KIND, "dummy");
	nest_end(&m, at);
	request(w->rtnl[HERE], &m);
	/* For a new one some of it is too early. */
	link_begin(&m, RTM_NEWLINK, 0, index, IFF_UP, IFF_UP | IFF_NOARP);
	if (request(w->rtnl[HERE], &m))
		errx(1, "%s is not there", name);
}

static void vrf(struct world *w)
{
	struct message m;
	uint32_t at, data;

	link_begin(&m, RTM_NEWLINK, NLM_F_CREATE, RED, IFF_UP, IFF_UP);
	put_text(&m, IFLA_IFNAME, "red");
	at = nest_begin(&m, IFLA_LINKINFO);
	put_text(&m, IFLA_INFO_KIND, "vrf");
	data = nest_begin(&m, IFLA_INFO_DATA);
	put_u32(&m, IFLA_VRF_TABLE, 77);
	nest_end(&m, data);
	nest_end(&m, at);
	request(w->rtnl[HERE], &m);
}

static int xfrm_device(struct world *w, uint16_t flags, int place, int index, uint32_t if_id)
{
	struct message m;
	uint32_t at, data;

	link_begin(&m, RTM_NEWLINK, flags, index, IFF_UP, IFF_UP);
	if (flags) {
		char name[IFNAMSIZ];

		snprintf(name, sizeof(name), "x%d", index);
		put_text(&m, IFLA_IFNAME, name);
		if (place == INNER)
			put_u32(&m, IFLA_LINK_NETNSID, 0);
	}
	at = nest_begin(&m, IFLA_LINKINFO);
	put_text(&m, IFLA_INFO_KIND, "xfrm");
	data = nest_begin(&m, IFLA_INFO_DATA);
	if (index == EXTERNAL)
		put(&m, IFLA_XFRM_COLLECT_METADATA, NULL, 0);
	else
		put_u32(&m, IFLA_XFRM_IF_ID, if_id);
	/* One of them names its link, which is a hint for routing, and may be in a VRF. */
	if (index == STATIC && place == HERE)
		put_u32(&m, IFLA_XFRM_LINK, U1);
	nest_end(&m, data);
	nest_end(&m, at);
	return request(w->rtnl[place], &m);
}

static int static_device(struct world *w, int connection)
{
	return xfrm_device(w, NLM_F_CREATE, PLACE(connection), STATIC + OUTER_SIX(connection), if_ids[connection]);
}

static int flow_route(struct world *w, int flow, uint32_t if_id)
{
	bool six = SIX_OF(flow);
	struct rtmsg rtm = {
		.rtm_family = family_of(six), .rtm_dst_len = address_len(six) * 8, .rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC, .rtm_scope = RT_SCOPE_LINK, .rtm_type = RTN_UNICAST,
	};
	struct message m;
	uint32_t at;

	message_begin(&m, RTM_NEWROUTE, CREATE);
	message_add(&m, &rtm, sizeof(rtm));
	put_address(&m, RTA_DST, six, destination(flow));
	put_u32(&m, RTA_OIF, DEVICE_OF(flow));
	if (EXTERNAL_OF(flow)) {
		put(&m, RTA_ENCAP_TYPE, &(uint16_t){ LWTUNNEL_ENCAP_XFRM }, 2);
		at = nest_begin(&m, RTA_ENCAP);
		put_u32(&m, LWT_XFRM_IF_ID, if_id);
		nest_end(&m, at);
	}
	return request(w->rtnl[place_of(w, flow)], &m);
}

/* The routes of the flows that a connection's static device has lost. */
static int static_routes(struct world *w, int connection)
{
	int failed = 0;

	for (int six = 0; six < 2; six++)
		failed |= flow_route(w, FLOW(connection, six, 0), 0);
	return failed;
}

static int do_xfrm_state(struct world *w, const uint8_t *a)
{
	int failed = link_up(w, PLACE(a[0]), STATIC + OUTER_SIX(a[0]), !a[1]);

	return failed || a[1] ? failed : static_routes(w, a[0]);
}

static int do_xfrm_mtu(struct world *w, const uint8_t *a)
{
	return link_number(w, PLACE(a[0]), STATIC + OUTER_SIX(a[0]), IFLA_MTU, mtus[a[1]]);
}

static int do_xfrm_change(struct world *w, const uint8_t *a)
{
	return xfrm_device(w, 0, PLACE(a[0]), STATIC + OUTER_SIX(a[0]), if_ids[a[1]]);
}

static int do_xfrm_recreate(struct world *w, const uint8_t *a)
{
	link_delete(w, PLACE(a[0]), STATIC + OUTER_SIX(a[0]));
	static_device(w, a[0]);
	return static_routes(w, a[0]);
}

/* The external device is made anew, in the same namespace or the other one. */
static int do_external(struct world *w, const uint8_t *a)
{
	int failed = 0;

	link_delete(w, w->external, EXTERNAL);
	w->external = a[0];
	xfrm_device(w, NLM_F_CREATE, w->external, EXTERNAL, 0);
	for (int flow = 0; flow < FLOWS; flow++)
		if (EXTERNAL_OF(flow))
			failed |= flow_route(w, flow, if_ids[CONNECTION_OF(flow)]);
	return failed;
}

static int do_encap(struct world *w, const uint8_t *a)
{
	return flow_route(w, FLOW(a[1], a[0], 1), if_ids[a[2]]);
}

/* Switches a setting on, or off, as it was in the beginning. */
static int do_sysctl(struct world *w, const uint8_t *a)
{
	const char *name = kind_of('y')->words[a[0]];
	const char *off = strcmp(name, HASH_SEED) ? "0" : FIRST_SEED;

	enter(w->ns[HERE]);
	return set_sysctl(name, a[1] ? "1" : off);
}

/* For both worlds, as the sender is one. */
static int do_cpu(struct world *w, const uint8_t *a)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(a[0], &cpus);
	return sched_setaffinity(0, sizeof(cpus), &cpus) ? errno : 0;
}

static int do_send_again(struct world *w, const uint8_t *a)
{
	return 0;
}

/* Routes and rules that may have been made. */
static void forget_routes(struct world *w)
{
	for (uint8_t six = 0; six < 2; six++) {
		for (uint8_t i = 0; i < 2 * 6 * 3; i++)
			do_rule_delete(w, (uint8_t[]){ six, i % 2, i / 2 % 6, i / 12 });
		for (uint8_t i = 0; i < 3; i++)
			do_nexthop_delete(w, (uint8_t[]){ six, i });
		for (int i = 0; i < 3 * 3 * 2 * 2; i++)
			/* There may be several next hops. */
			for (int n = 0; n < 4; n++)
				if (route(w, RTM_DELROUTE, six, i % 3, i / 18, i / 3 % 3, 0, 10 * (i / 9 % 2), 0))
					break;
	}
}

static void restore_underlays(struct world *w)
{
	link_delete(w, INNER, U2);
	underlay(w, U1, "u1");
	underlay(w, U2, "u2");
	vrf(w);
	for (uint8_t i = 0; i < 4; i++)
		do_address(w, (uint8_t[]){ 0, i % 2, i / 2 });
	for (int six = 0; six < 2; six++) {
		for (int i = 0; i < 3; i++)
			if (neighbour(w, six, i == 1 ? U2 : U1, gateway[i][six], 9 + i, 0))
				errx(1, "a neighbour is refused");
		if (route(w, RTM_NEWROUTE, six, 1, false, 0, VIA_U1, 0, 0))
			errx(1, "a route is refused");
		for (uint8_t i = 0; i < 2; i++)
			if (do_nexthop_replace(w, (uint8_t[]){ six, i, i }))
				errx(1, "a next hop is refused");
		if (do_nexthop_group(w, (uint8_t[]){ six, 2 }))
			errx(1, "a group of next hops is refused");
	}
}

static void restore_xfrm_devices(struct world *w)
{
	for (int place = HERE; place <= INNER; place++) {
		link_up(w, place, 1, true);
		for (int six = 0; six < 2; six++)
			address(w, place, RTM_NEWADDR, six, 1, inner_address[six], six ? 128 : 32);
	}
	xfrm_device(w, NLM_F_CREATE, w->external, EXTERNAL, 0);
	for (int c = 0; c < CONNECTIONS; c++) {
		/* One may have the if_id of another. */
		if (xfrm_device(w, 0, PLACE(c), STATIC + OUTER_SIX(c), if_ids[c])) {
			for (int other = 0; other < CONNECTIONS; other++)
				link_delete(w, PLACE(other), STATIC + OUTER_SIX(other));
			break;
		}
	}
	for (int c = 0; c < CONNECTIONS; c++) {
		static_device(w, c);
		link_number(w, PLACE(c), STATIC + OUTER_SIX(c), IFLA_MTU, 1500);
	}
	for (int flow = 0; flow < FLOWS; flow++)
		if (flow_route(w, flow, if_ids[CONNECTION_OF(flow)]))
			errx(1, "the route of flow %d is refused", flow);
}

static void restore_xfrm(struct world *w);

/* Makes all as it was in the beginning. */
static void restore(struct world *w)
{
	for (uint8_t i = 0; kind_of('y')->words[i]; i++)
		do_sysctl(w, (uint8_t[]){ i, 0 });
	forget_routes(w);
	restore_underlays(w);
	restore_xfrm_devices(w);
	restore_xfrm(w);
}

static int do_restore(struct world *w, const uint8_t *a)
{
	restore(w);
	return 0;
}

#endif
