// SPDX-License-Identifier: GPL-2.0
#include "devices.h"
#include "links.h"

#include <linux/net_namespace.h>
#include <string.h>

static bool see_nsid(const struct nlmsghdr *header, void *arg)
{
	number(attributes(header, sizeof(struct rtgenmsg)), NETNSA_NSID, arg);
	return true;
}

/* By which number one namespace knows another. */
bool netns_by_id(uint32_t netns, int id, uint32_t *found)
{
	static int known[MAX_NETNS][MAX_NETNS];
	struct message m;
	int other;

	for (other = 0; other <= netns_count; other++) {
		/* Numbers come into being when they are needed, and then don't change. 0 is the first of them. */
		if (known[netns][other] <= 0) {
			known[netns][other] = -1;
			message_begin(&m, RTM_GETNSID, 0);
			message_add(&m, &(struct rtgenmsg){}, sizeof(struct rtgenmsg));
			put(&m, NETNSA_FD, &netns_fd[other], 4);
			ask(socket_of(netns), &m, see_nsid, &known[netns][other]);
		}
		if (known[netns][other] == id) {
			*found = other;
			return true;
		}
	}
	return false;
}

static bool see_device(const struct nlmsghdr *header, void *arg)
{
	struct span attrs = attributes(header, sizeof(struct ifinfomsg)), name;
	const struct ifinfomsg *ifi = NLMSG_DATA(header);
	struct devices devices = {};
	struct state *state = arg;
	struct device *device;
	uint32_t link, id;

	if (!see_link(header, &devices))
		return false;
	if (!devices.count)
		return true;
	if (state->count == ARRAY_SIZE(state->devices))
		return fail("too many devices");
	device = &state->devices[state->count++];
	*device = (struct device){
		.if_id = devices.xfrm.if_id, .link = devices.xfrm.link, .external = devices.xfrm.external,
		.index = ifi->ifi_index, .link_netnsid = -1,
	};
	if (attribute(attrs, IFLA_IFNAME, &name))
		snprintf(device->name, sizeof(device->name), "%s", (const char *)name.bytes);
	if (number(attrs, IFLA_LINK, &link) && link != device->link)
		return fail("%s sends over %u, but its link is %u", device->name, link, device->link);
	if (number(attrs, IFLA_LINK_NETNSID, &id)) {
		device->link_netnsid = id;
		if ((int)id < 0)
			return fail("%s has the link namespace %d", device->name, (int)id);
	}
	return true;
}

/* The same, as far as requests may not change it in passing. */
static bool same(const struct device *a, const struct device *b)
{
	return a->if_id == b->if_id && a->link == b->link && a->link_netns == b->link_netns &&
	       a->external == b->external;
}

/* All xfrm devices, wherever they are. */
bool look(struct state *state)
{
	uint32_t netns, i, j, at;
	struct message m;
	int error;

	state->count = 0;
	for (netns = 0; netns <= (uint32_t)netns_count; netns++) {
		i = state->count;
		link_request(&m, RTM_GETLINK, NLM_F_DUMP, 0, NULL);
		put(&m, IFLA_EXT_MASK, &(uint32_t){ RTEXT_FILTER_SKIP_STATS }, 4);
		at = m.len;
		put(&m, IFLA_LINKINFO, NULL, 0);
		put(&m, IFLA_INFO_KIND, "xfrm", 4);
		nest_end(&m, at);
		error = ask(socket_of(netns), &m, see_device, state);
		if (error)
			return fail("the dump of devices ends with error %d", -error);
		if (problem[0])
			return false;
		for (; i < state->count; i++) {
			struct device *device = &state->devices[i];

			device->netns = device->link_netns = netns;
			if (device->link_netnsid >= 0 &&
			    !netns_by_id(netns, device->link_netnsid, &device->link_netns))
				return fail("%s has a link namespace %d that nobody knows", device->name,
					    device->link_netnsid);
			for (j = 0; j < i; j++) {
				const struct device *other = &state->devices[j];

				if (other->link_netns == device->link_netns && other->if_id == device->if_id)
					return fail("%s and %s have the same if_id %#x", other->name,
						    device->name, device->if_id);
			}
		}
	}
	return true;
}

/* Adds to the list the devices of a state that another one has not. Returns how many. */
uint32_t missing(const struct state *in, const struct state *from, const struct device *list[2])
{
	uint32_t i, j, count = 0;

	for (i = 0; i < from->count; i++) {
		for (j = 0; j < in->count && !same(&in->devices[j], &from->devices[i]); j++)
			;
		if (j < in->count)
			continue;
		if (count < 2)
			list[count] = &from->devices[i];
		count++;
	}
	return count;
}

/* Whether a namespace has no device that would keep a new one from having this if_id; 0 is an external one. */
static bool is_free(uint32_t netns, uint32_t if_id, bool *answer)
{
	struct message m;
	uint32_t at, data;
	int error;

	/* What comes after that question is that there can't be such a name. */
	link_request(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, "not/possible");
	at = m.len;
	put(&m, IFLA_LINKINFO, NULL, 0);
	put(&m, IFLA_INFO_KIND, "xfrm", 4);
	data = m.len;
	put(&m, IFLA_INFO_DATA, NULL, 0);
	if (if_id)
		put(&m, IFLA_XFRM_IF_ID, &if_id, 4);
	else
		put(&m, IFLA_XFRM_COLLECT_METADATA, NULL, 0);
	nest_end(&m, data);
	nest_end(&m, at);
	error = ask(socket_of(netns), &m, NULL, NULL);
	*answer = error == -EINVAL;
	return error == -EINVAL || error == -EEXIST ||
	       fail("a device whose name is not possible is refused with error %d", -error);
}

/* Whether an if_id can be had in each of the namespaces that has no device with it, and in no other. */
bool check_free(const struct state *state, uint32_t if_id)
{
	uint32_t netns, i;
	bool answer;

	for (netns = 0; netns <= (uint32_t)netns_count; netns++) {
		if (!is_free(netns, if_id, &answer))
			return false;
		for (i = 0; i < state->count; i++)
			if (state->devices[i].link_netns == netns && state->devices[i].if_id == if_id)
				break;
		if (answer && i < state->count)
			return fail("%s has if_id %#x, which can be had once more", state->devices[i].name, if_id);
		if (!answer && i == state->count)
			return fail("no device has if_id %#x, which can't be had", if_id);
	}
	return true;
}
