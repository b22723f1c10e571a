// SPDX-License-Identifier: GPL-2.0
#include "oracle.h"
#include "timing.h"
#include "xfrm.h"

#include <arpa/inet.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>

/*
 * Whether packets went the same way. Those in the clear have not been sent by a device with its
 * states; by which underlay they go may depend on their ports (fib_multipath_hash_policy).
 */
static bool same(const struct outcome *a, const struct outcome *b)
{
	if (a->left && b->left && !a->depth && !b->depth)
		return true;
	return !memcmp(a, b, sizeof(*a));
}

/* Sends once in each world, and compares. */
bool compare(struct oracle *o)
{
	wait_for_timers();
	o->step++;
	memcpy(o->before, o->outcomes[1], sizeof(o->before));
	send_all(&o->warm, false, o->outcomes[0], o->step);
	send_all(&o->fresh, true, o->outcomes[1], o->step);
	o->differs = -1;
	o->left = 0;
	for (int flow = FLOWS - 1; flow >= 0; flow--) {
		if (!same(&o->outcomes[0][flow], &o->outcomes[1][flow]))
			o->differs = flow;
		o->changed += !!memcmp(&o->before[flow], &o->outcomes[1][flow], sizeof(struct outcome));
		o->left += o->outcomes[1][flow].left;
	}
	return o->differs < 0;
}

/*
 * After a difference: whether a look-up in the warm world itself finds what the flows there do.
 * Then nothing is remembered wrongly now, but the worlds have become different ones, by what the
 * kernel does when it finds time.
 */
bool worlds_differ(struct oracle *o)
{
	struct outcome afresh[FLOWS];

	if (o->errors[0] != o->errors[1])
		return false;
	wait_for_timers();
	o->step++;
	send_all(&o->warm, false, o->outcomes[0], o->step);
	send_all(&o->warm, true, afresh, o->step);
	for (int flow = 0; flow < FLOWS; flow++)
		if (!same(&o->outcomes[0][flow], &afresh[flow]))
			return false;
	return true;
}

int do_dwell(struct world *w, const uint8_t *a)
{
	return 0;
}

/* Flows go on for longer than a state may live by the grammar; what they meet on the way is not looked at. */
static void dwell(struct oracle *o)
{
	for (int i = 0; i < 60; i++) {
		usleep(20000);
		compare(o);
	}
}

/*
 * Lets a driver get to know the flows again. Ours remembers nothing until a grace period after a
 * change of IPv6; packets of before would only show that what is not known is right.
 */
static bool settle(struct oracle *o)
{
	if (syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		err(1, "membarrier");
	return compare(o);
}

/* Makes a change in both worlds. Whether that was in one second. */
static bool apply_both(struct oracle *o, const struct change *change)
{
	int64_t began;

	do
		wait_for_timers();
	while (same_second((change->verb->apply == do_restore ? 300 : 50) * MILLISECOND));
	began = second();
	o->errors[0] = change->verb->apply(&o->warm, change->args);
	o->errors[1] = change->verb->apply(&o->fresh, change->args);
	return second() == began;
}

/* Makes both worlds what they begin with, as of one second. */
static void restore_both(struct oracle *o)
{
	struct change change = the_change(do_restore);

	/* A machine that is too slow for that is not waited for. */
	for (int i = 0; i < 20 && !apply_both(o, &change); i++)
		;
}

/* Makes a change in both worlds. Whether all is as it must be. */
bool change_both(struct oracle *o, const struct change *change)
{
	if (change->verb->apply == do_dwell)
		dwell(o);
	else if (!apply_both(o, change))
		restore_both(o);
	read_captured(&o->warm, NULL, 0);
	read_captured(&o->fresh, NULL, 0);
	return compare(o) && o->errors[0] == o->errors[1] && settle(o);
}

void oracle_open(struct oracle *o)
{
	memset(o, 0, sizeof(*o));
	do_cpu(NULL, (uint8_t[]){ 0 });
	world_open(&o->warm, false);
	world_open(&o->fresh, true);
	restore_both(o);
	/* What is met twice is remembered, and large packets have learnt what they may. */
	for (int i = 0; i < 5; i++)
		compare(o);
	settle(o);
	o->changed = 0;
	if (o->left < FLOWS - 1)
		errx(1, "of %d flows %d work in a new world", FLOWS, o->left);
}

void oracle_close(struct oracle *o)
{
	world_close(&o->warm);
	world_close(&o->fresh);
}

static const char *outcome_text(const struct outcome *o)
{
	static char texts[2][200];
	static int turn;
	char to[INET6_ADDRSTRLEN], *text = texts[turn = !turn];
	int len;

	if (!o->left)
		return "does not leave";
	inet_ntop(o->family == 6 ? AF_INET6 : AF_INET, o->to, to, sizeof(to));
	len = sprintf(text, "leaves by u%u to %s at %02x:%02x", o->ifindex - U1 + 1, to, o->ethernet[4], o->ethernet[5]);
	for (int i = 0; i < o->depth; i++)
		len += sprintf(text + len, ", state 0x%x", o->spi[i]);
	if (!o->depth)
		len += sprintf(text + len, ", in the clear");
	if (o->fragment)
		len += sprintf(text + len, ", in fragments");
	if (o->left > 1)
		sprintf(text + len, ", %d times", o->left);
	return text;
}

void print_difference(const struct oracle *o)
{
	int count = 0;

	if (o->errors[0] != o->errors[1])
		printf("#   the worlds answer %s and %s\n", o->errors[0] ? strerrorname_np(o->errors[0]) : "ok",
		       o->errors[1] ? strerrorname_np(o->errors[1]) : "ok");
	for (int flow = 0; flow < FLOWS; flow++) {
		const struct outcome *warm = &o->outcomes[0][flow], *fresh = &o->outcomes[1][flow];
		int c = CONNECTION_OF(flow);

		if (same(warm, fresh) || count++ >= 4)
			continue;
		printf("#   IPv%d, %s device%s, if_id %u: it %s;", SIX_OF(flow) ? 6 : 4,
		       EXTERNAL_OF(flow) ? "external" : "static",
		       place_of(&o->warm, flow) == INNER ? " in another namespace" : "", if_ids[c],
		       outcome_text(warm));
		printf(" afresh it %s\n", outcome_text(fresh));
	}
	if (count > 4)
		printf("#   and %d more flows\n", count - 4);
}
