// SPDX-License-Identifier: GPL-2.0
#include "restore.h"
#include "devices.h"
#include "grammar.h"
#include "routes.h"
#include "xfrm.h"

#include <sched.h>

/* Switches a setting on, or off, as it was in the beginning. */
int do_sysctl(struct world *w, const uint8_t *a)
{
	const char *name = kind_of('y')->words[a[0]];
	const char *off = strcmp(name, HASH_SEED) ? "0" : FIRST_SEED;

	enter(w->ns[HERE]);
	return set_sysctl(name, a[1] ? "1" : off);
}

/* For both worlds, as the sender is one. */
int do_cpu(struct world *w, const uint8_t *a)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(a[0], &cpus);
	return sched_setaffinity(0, sizeof(cpus), &cpus) ? errno : 0;
}

int do_send_again(struct world *w, const uint8_t *a)
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

/* Makes all as it was in the beginning. */
void restore(struct world *w)
{
	for (uint8_t i = 0; kind_of('y')->words[i]; i++)
		do_sysctl(w, (uint8_t[]){ i, 0 });
	forget_routes(w);
	restore_underlays(w);
	restore_xfrm_devices(w);
	restore_xfrm(w);
}

int do_restore(struct world *w, const uint8_t *a)
{
	restore(w);
	return 0;
}
