// SPDX-License-Identifier: GPL-2.0
#include "devices.h"
#include "grammar.h"
#include "routes.h"

#include <linux/if_link.h>
#include <linux/lwtunnel.h>
#include <sys/socket.h>

static void link_begin(struct message *m, uint16_t type, uint16_t flags, int index, uint32_t set, uint32_t change)
{
	struct ifinfomsg ifi = { .ifi_index = index, .ifi_flags = set, .ifi_change = change };

	message_begin(m, type, flags);
	message_add(m, &ifi, sizeof(ifi));
}

int link_up(struct world *w, int place, int index, bool up)
{
	struct message m;

	link_begin(&m, RTM_NEWLINK, 0, index, up ? IFF_UP : 0, IFF_UP);
	return request(w->rtnl[place], &m);
}

int link_delete(struct world *w, int place, int index)
{
	struct message m;

	link_begin(&m, RTM_DELLINK, 0, index, 0, 0);
	return request(w->rtnl[place], &m);
}

int link_number(struct world *w, int place, int index, uint16_t type, uint32_t value)
{
	struct message m;

	link_begin(&m, RTM_NEWLINK, 0, index, 0, 0);
	put_u32(&m, type, value);
	return request(w->rtnl[place], &m);
}

int do_link_mtu(struct world *w, const uint8_t *a)
{
	return link_number(w, HERE, U1 + a[0], IFLA_MTU, mtus[a[1]]);
}

int do_link_state(struct world *w, const uint8_t *a)
{
	return link_up(w, HERE, U1 + a[0], !a[1]);
}

int do_link_master(struct world *w, const uint8_t *a)
{
	return link_number(w, HERE, U1 + a[0], IFLA_MASTER, a[1] ? 0 : RED);
}

int do_link_rename(struct world *w, const uint8_t *a)
{
	struct message m;

	link_begin(&m, RTM_NEWLINK, 0, U1 + a[0], 0, 0);
	put_text(&m, IFLA_IFNAME, a[1] ? "b" : "a");
	return request(w->rtnl[HERE], &m);
}

int do_link_move(struct world *w, const uint8_t *a)
{
	return link_number(w, HERE, U2, IFLA_NET_NS_FD, w->ns[INNER]);
}

int do_link_delete(struct world *w, const uint8_t *a)
{
	return link_delete(w, HERE, U2);
}

/* An underlay, which asks for neighbours although it is a dummy. */
void underlay(struct world *w, int index, const char *name)
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

void vrf(struct world *w)
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

int xfrm_device(struct world *w, uint16_t flags, int place, int index, uint32_t if_id)
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

int static_device(struct world *w, int connection)
{
	return xfrm_device(w, NLM_F_CREATE, PLACE(connection), STATIC + OUTER_SIX(connection), if_ids[connection]);
}

int flow_route(struct world *w, int flow, uint32_t if_id)
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

int do_xfrm_state(struct world *w, const uint8_t *a)
{
	int failed = link_up(w, PLACE(a[0]), STATIC + OUTER_SIX(a[0]), !a[1]);

	return failed || a[1] ? failed : static_routes(w, a[0]);
}

int do_xfrm_mtu(struct world *w, const uint8_t *a)
{
	return link_number(w, PLACE(a[0]), STATIC + OUTER_SIX(a[0]), IFLA_MTU, mtus[a[1]]);
}

int do_xfrm_change(struct world *w, const uint8_t *a)
{
	return xfrm_device(w, 0, PLACE(a[0]), STATIC + OUTER_SIX(a[0]), if_ids[a[1]]);
}

int do_xfrm_recreate(struct world *w, const uint8_t *a)
{
	link_delete(w, PLACE(a[0]), STATIC + OUTER_SIX(a[0]));
	static_device(w, a[0]);
	return static_routes(w, a[0]);
}

/* The external device is made anew, in the same namespace or the other one. */
int do_external(struct world *w, const uint8_t *a)
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

int do_encap(struct world *w, const uint8_t *a)
{
	return flow_route(w, FLOW(a[1], a[0], 1), if_ids[a[2]]);
}
