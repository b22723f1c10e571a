// SPDX-License-Identifier: GPL-2.0
#include "oracle.h"
#include "changed.h"
#include "devices.h"
#include "links.h"
#include "routes.h"

#include <sys/socket.h>

unsigned long sent, accepted, watched, watched_accepted;
int last_error;

/* How many devices have been created since the chunk began. */
static uint32_t created;

static void send_batch(struct message batch[], uint32_t count)
{
	static struct iovec vectors[BATCH];
	struct msghdr header = { .msg_iov = vectors, .msg_iovlen = count };
	int errors[BATCH] = {};
	uint32_t i, first = sequence + 1;

	for (i = 0; i < count; i++) {
		struct nlmsghdr *next = (struct nlmsghdr *)batch[i].bytes;

		next->nlmsg_seq = ++sequence;
		/* The last is padded, too; the kernel does not mind. */
		memset(batch[i].bytes + batch[i].len, 0, NLMSG_ALIGN(batch[i].len) - batch[i].len);
		vectors[i] = (struct iovec){ batch[i].bytes, NLMSG_ALIGN(batch[i].len) };
	}
	if (sendmsg(bulk, &header, 0) < 0 && errno != ENOBUFS)
		err(1, "sendmsg");
	drain(errors, first, count);
	sent += count;
	for (i = 0; i < count; i++) {
		const struct nlmsghdr *next = (const struct nlmsghdr *)batch[i].bytes;

		accepted += !errors[i];
		if (!errors[i] && next->nlmsg_type == RTM_NEWLINK)
			created++;
	}
	last_error = -errors[count - 1];
}

/* What is known to be there, unless something has been sent without looking. */
static struct state states[2], *now;

void oracle_begin(void)
{
	created = 0;
	now = NULL;
}

void send_many(struct message batch[], uint32_t count)
{
	send_batch(batch, count);
	now = NULL;
}

/* One request by itself, and whether what comes of it is right. */
bool watch(struct message *m)
{
	const struct nlmsghdr *header = (const struct nlmsghdr *)m->bytes;
	struct state *before = now, *after = &states[now == &states[0]];
	bool route = is_route(header);
	uint64_t sum = 0, sum_after;
	struct xfrm asked;

	if (!before) {
		before = &states[0];
		after = &states[1];
		if (!look(before))
			return false;
	}
	if (route && !sum_routes(&sum))
		return false;
	send_batch(m, 1);
	now = after;
	if (!look(after))
		return false;
	/* With another length it is several messages, or none. */
	if (header->nlmsg_len != m->len)
		return true;
	watched++;
	watched_accepted += !last_error;
	if (!check_link(header, -last_error, before, after))
		return false;
	if (header->nlmsg_type == RTM_NEWLINK) {
		asked = xfrm_of(attributes(header, sizeof(struct ifinfomsg)));
		if (asked.has_data && !check_free(after, asked.if_id))
			return false;
	}
	if (!route)
		return true;
	if (last_error && !has_hops(header)) {
		if (!sum_routes(&sum_after))
			return false;
		if (sum != sum_after)
			return fail("a request of type %u that was refused with error %d has changed routes",
				    header->nlmsg_type, last_error);
	}
	if (last_error || !(header->nlmsg_flags & NLM_F_REQUEST))
		return true;
	if (header->nlmsg_type == RTM_NEWROUTE)
		return check_route(header);
	return header->nlmsg_type != RTM_NEWNEXTHOP || check_nexthop(header);
}

/* Each if_id can be had where no device has it. */
static bool check_all_free(void)
{
	uint32_t i;

	now = &states[0];
	if (!look(now))
		return false;
	for (i = 0; i <= 32; i++)
		if (!check_free(now, i))
			return false;
	for (i = 0; i < now->count; i++)
		if (now->devices[i].if_id > 32 && !check_free(now, now->devices[i].if_id))
			return false;
	return true;
}

bool healthy(void)
{
	static struct devices devices;
	uint32_t total = 0;
	int n;

	for (n = 0; n < 2; n++)
		if (!dump_links(checked[n], &devices) || !dump_routes(checked[n]))
			return false;
	total = devices.count;
	for (n = 0; n < netns_count; n++) {
		if (!dump_links(elsewhere[n], &devices))
			return false;
		total += devices.count;
	}
	if (total > created)
		return fail("%u devices, of which %u were created", total, created);
	if (!check_all_free())
		return false;
	now = NULL;
	return reset() && plain();
}
