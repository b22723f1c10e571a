// SPDX-License-Identifier: GPL-2.0
#include "links.h"

#include <linux/if.h>
#include <string.h>

bool see_link(const struct nlmsghdr *header, void *arg)
{
	struct span attrs = attributes(header, sizeof(struct ifinfomsg)), info, data, name;
	const struct ifinfomsg *ifi = NLMSG_DATA(header);
	struct devices *devices = arg;
	struct xfrm xfrm;
	uint32_t group = 0;

	if (header->nlmsg_type != RTM_NEWLINK)
		return fail("a message of type %u among links", header->nlmsg_type);
	if (!well_formed(attrs))
		return fail("the attributes of link %d can't be parsed", ifi->ifi_index);
	if (!attribute(attrs, IFLA_IFNAME, &name) || !name.len || name.bytes[name.len - 1])
		return fail("link %d has no name", ifi->ifi_index);
	xfrm = xfrm_of(attrs);
	if (!xfrm.is_xfrm)
		return true;
	if (attribute(attrs, IFLA_LINKINFO, &info) && attribute(info, IFLA_INFO_DATA, &data) &&
	    (!well_formed(info) || !well_formed(data)))
		return fail("what is said of %s can't be parsed", name.bytes);
	if (!xfrm.has_if_id || !xfrm.has_link || xfrm.external != !xfrm.if_id)
		return fail("%s: if_id %d %#x, link %d %u, external %d", name.bytes, xfrm.has_if_id,
			    xfrm.if_id, xfrm.has_link, xfrm.link, xfrm.external);
	devices->count++;
	devices->xfrm = xfrm;
	number(attrs, IFLA_GROUP, &group);
	if (group != GROUP && devices->others < ARRAY_SIZE(devices->index))
		devices->index[devices->others++] = ifi->ifi_index;
	return true;
}

void link_request(struct message *m, uint16_t type, uint16_t flags, int index, const char *name)
{
	struct ifinfomsg ifi = { .ifi_index = index };

	message_begin(m, type, flags);
	message_add(m, &ifi, sizeof(ifi));
	if (name)
		put(m, IFLA_IFNAME, name, strlen(name) + 1);
}

/* The devices of a namespace, asked for with and without strict checking. */
bool dump_links(int fd, struct devices *devices)
{
	struct message m;
	int error;

	*devices = (struct devices){};
	link_request(&m, RTM_GETLINK, NLM_F_DUMP, 0, NULL);
	error = ask(fd, &m, see_link, devices);
	return !error || fail("the dump of links ends with error %d", -error);
}

/* A device is made, changed and deleted as it should be. */
bool plain(void)
{
	struct devices devices = {};
	struct message m;
	uint32_t if_id, at, data;
	int step, error;

	for (step = 0; step < 2; step++) {
		if_id = 0xf00d0000 + step;
		link_request(&m, RTM_NEWLINK, step ? 0 : NLM_F_CREATE | NLM_F_EXCL, 0, "plain");
		at = m.len;
		put(&m, IFLA_LINKINFO, NULL, 0);
		put(&m, IFLA_INFO_KIND, "xfrm", 4);
		data = m.len;
		put(&m, IFLA_INFO_DATA, NULL, 0);
		put(&m, IFLA_XFRM_IF_ID, &if_id, 4);
		put(&m, IFLA_XFRM_LINK, &(uint32_t){ DUMMY }, 4);
		nest_end(&m, data);
		nest_end(&m, at);
		error = ask(checked[0], &m, NULL, NULL);
		if (error)
			return fail("a plain device can't be %s: error %d", step ? "changed" : "created", -error);
		link_request(&m, RTM_GETLINK, 0, 0, "plain");
		error = ask(checked[1], &m, see_link, &devices);
		if (error)
			return fail("a plain device can't be asked about: error %d", -error);
		if (devices.xfrm.if_id != if_id || devices.xfrm.link != DUMMY)
			return fail("a plain device has the if_id %#x and the link %u", devices.xfrm.if_id,
				    devices.xfrm.link);
	}
	link_request(&m, RTM_DELLINK, 0, 0, "plain");
	error = ask(checked[0], &m, NULL, NULL);
	if (error)
		return fail("a plain device can't be deleted: error %d", -error);
	link_request(&m, RTM_GETLINK, 0, 0, "plain");
	error = ask(checked[0], &m, see_link, &devices);
	return error == -ENODEV || fail("a device that was deleted: error %d", -error);
}

/* Removes what a chunk has left. */
bool reset(void)
{
	static struct devices devices;
	struct message m;
	uint32_t i;
	int n;

	for (n = 0; n <= netns_count; n++) {
		int fd = n ? elsewhere[n - 1] : checked[0];

		/* The loopback device may have got there, and keeps the others from being deleted. */
		link_request(&m, RTM_SETLINK, 0, 1, NULL);
		put(&m, IFLA_GROUP, &(uint32_t){ 0 }, 4);
		ask(fd, &m, NULL, NULL);
		link_request(&m, RTM_DELLINK, 0, 0, NULL);
		put(&m, IFLA_GROUP, &(uint32_t){ GROUP }, 4);
		ask(fd, &m, NULL, NULL);
		if (!dump_links(fd, &devices))
			return false;
		for (i = 0; i < devices.others; i++) {
			link_request(&m, RTM_DELLINK, 0, devices.index[i], NULL);
			ask(fd, &m, NULL, NULL);
		}
		if (!dump_links(fd, &devices))
			return false;
		if (devices.count)
			return fail("%u devices can't be deleted", devices.count);
	}
	/* The dummies may have been deleted, renamed or sent away. Routes and next hops go when they are down. */
	for (i = 0; i < DUMMIES; i++) {
		struct ifinfomsg ifi = { .ifi_index = DUMMY + i, .ifi_change = IFF_UP };
		uint32_t at;

		link_request(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, DUMMY + i, "d%d");
		at = m.len;
		put(&m, IFLA_LINKINFO, NULL, 0);
		put(&m, IFLA_INFO_KIND, "dummy", 5);
		nest_end(&m, at);
		ask(checked[0], &m, NULL, NULL);
		for (n = 0; n < 2; n++) {
			ifi.ifi_flags = n ? IFF_UP : 0;
			message_begin(&m, RTM_SETLINK, 0);
			message_add(&m, &ifi, sizeof(ifi));
			ask(checked[0], &m, NULL, NULL);
		}
	}
	return true;
}
