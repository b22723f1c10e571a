// SPDX-License-Identifier: GPL-2.0
#include "changed.h"
#include "links.h"

#include <string.h>

bool any_link;

/* The device that a request to create or change one is about, if it is there. */
static const struct device *addressed(const struct nlmsghdr *header, const struct state *state)
{
	struct span attrs = attributes(header, sizeof(struct ifinfomsg)), name;
	const struct ifinfomsg *ifi = NLMSG_DATA(header);
	char text[IFNAMSIZ + 1] = {};
	uint32_t i;

	if (!ifi->ifi_index) {
		if (!attribute(attrs, IFLA_IFNAME, &name) || name.len > IFNAMSIZ)
			return NULL;
		memcpy(text, name.bytes, name.len);
	}
	for (i = 0; i < state->count; i++) {
		const struct device *device = &state->devices[i];

		if (!device->netns && (ifi->ifi_index ? device->index == (uint32_t)ifi->ifi_index :
				       text[0] && !strcmp(device->name, text)))
			return device;
	}
	return NULL;
}

/* Whether somebody who asked for this may have got a new device. */
static bool check_created(struct span attrs, const struct xfrm *asked, const struct device *device)
{
	uint32_t id, link_netns = device->netns;
	struct message m;

	if (number(attrs, IFLA_LINK_NETNSID, &id) &&
	    ((int)id < 0 || !netns_by_id(device->netns, id, &link_netns)))
		return fail("%s was asked for with the unknown link namespace %d", device->name, (int)id);
	if (device->link_netns != link_netns)
		return fail("%s has the link namespace %u, and was to have %u", device->name, device->link_netns,
			    link_netns);
	if (device->external != asked->external || device->if_id != asked->if_id || device->link != asked->link)
		return fail("%s was asked for with if_id %#x, link %u, external %d and is if_id %#x, link %u, external %d",
			    device->name, asked->if_id, asked->link, asked->external, device->if_id, device->link,
			    device->external);
	if (!device->link || any_link)
		return true;
	link_request(&m, RTM_GETLINK, 0, device->link, NULL);
	if ((int)device->link < 0 || ask(socket_of(link_netns), &m, NULL, NULL))
		return fail("%s was created with the link %d, which does not exist", device->name, (int)device->link);
	return true;
}

/*
 * Whether what a request was answered with, and what is there after it, is how it should be. A
 * request to change a device may have changed its if_id, and then be refused for what all devices
 * have.
 */
bool check_link(const struct nlmsghdr *header, int error, const struct state *before,
		       const struct state *after)
{
	const struct device *gone[2], *come[2], *target;
	uint32_t n_gone = missing(after, before, gone), n_come = missing(before, after, come);
	struct span attrs = attributes(header, sizeof(struct ifinfomsg));
	struct xfrm asked = {};

	if (!(header->nlmsg_flags & NLM_F_REQUEST))
		return !n_gone && !n_come ? true : fail("what is no request has changed devices");
	if (header->nlmsg_type == RTM_DELLINK && !error)
		return !n_come || fail("a request to delete has changed %s", come[0]->name);
	if (header->nlmsg_type == RTM_NEWLINK)
		asked = xfrm_of(attrs);
	target = addressed(header, before);
	if (!n_gone && !n_come) {
		bool create = (header->nlmsg_flags & NLM_F_CREATE) && (header->nlmsg_flags & NLM_F_EXCL);

		if (error || !asked.has_data)
			return true;
		if (create)
			return fail("nothing was created for if_id %#x", asked.if_id);
		if (target && ((asked.has_if_id && asked.if_id != target->if_id) ||
			       (asked.has_link && asked.link != target->link) ||
			       (asked.external && !target->external)))
			return fail("%s was to have if_id %#x, link %u, external %d and has not", target->name,
				    asked.if_id, asked.link, asked.external);
		return true;
	}
	if (asked.has_data && !error && !n_gone && n_come == 1)
		return check_created(attrs, &asked, come[0]);
	/* Changed, as it was asked for, in what may change. */
	if (asked.has_data && n_gone == 1 && n_come == 1 && gone[0] == target && !gone[0]->external &&
	    !come[0]->external && !asked.external && asked.has_if_id && asked.if_id == come[0]->if_id &&
	    gone[0]->link == come[0]->link && gone[0]->link_netns == come[0]->link_netns &&
	    (!asked.has_link || asked.link == gone[0]->link))
		return true;
	return fail("a request of type %u with error %d, if_id %#x, link %u, external %d: %u devices gone (%s, if_id %#x, link %u), %u come (%s, if_id %#x, link %u)",
		    header->nlmsg_type, -error, asked.if_id, asked.link, asked.external,
		    n_gone, n_gone ? gone[0]->name : "", n_gone ? gone[0]->if_id : 0, n_gone ? gone[0]->link : 0,
		    n_come, n_come ? come[0]->name : "", n_come ? come[0]->if_id : 0, n_come ? come[0]->link : 0);
}
