/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What must hold when requests are sent as fuzz-netlink.c makes them:
 *
 *  - the driver serves plain requests after each chunk;
 *  - there are no more devices than have been created;
 *  - what is dumped can be parsed, and has what an xfrm device has; no two devices of a namespace have the
 *    same if_id;
 *  - a request that was accepted has done what it says and nothing else, one that was refused has done
 *    nothing: for that, all devices are looked at before and after each request that is sent by itself.
 *    The bytes that were sent are parsed here once more, so this holds for what is damaged, too;
 *  - an if_id can be had if and only if no device has it.
 */
#ifndef FUZZ_NETLINK_ORACLE_H
#define FUZZ_NETLINK_ORACLE_H

#include "fuzz.h"
#include "netlink-message.h"

#include <linux/if.h>
#include <linux/lwtunnel.h>
#include <linux/net_namespace.h>
#include <linux/nexthop.h>
#include <stdarg.h>
#include <sys/socket.h>

/* Messages of one sendmsg at most. */
#define BATCH 32

/* The indices of the dummies, and those that devices under test may ask for. */
#define DUMMY 10
#define DUMMIES 2
#define INDEX 100
#define INDICES 24

/* Devices that requests don't name are made in a group, so that one request removes them. */
#define GROUP 7

/* A table that nothing else is in. */
#define TABLE 100

#define MAX_NETNS 4

/* netns_count is how many there are besides the first. */
static int netns_fd[MAX_NETNS], netns_count;

/************************************************************************************************
 * Sockets
 */

static int bulk, checked[2], elsewhere[MAX_NETNS - 1];
static uint32_t sequence;
static uint8_t answer[1 << 18] __attribute__((aligned(4)));
static char problem[512];

static bool fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (!problem[0])
		vsnprintf(problem, sizeof(problem), format, args);
	va_end(args);
	return false;
}

static int open_socket(bool strict)
{
	int one = 1, size = 8 << 20, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct timeval patience = { .tv_sec = 60 };

	if (fd < 0)
		err(1, "socket");
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (strict)
		setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	return fd;
}

/* Calls seen for each message that comes back, until the last; returns the error, 0 or negative. */
static int ask(int fd, struct message *m, bool (*seen)(const struct nlmsghdr *header, void *arg), void *arg)
{
	struct nlmsghdr *header = (struct nlmsghdr *)m->bytes;
	bool dump = (header->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP && header->nlmsg_type % 4 == 2;

	message_end(m);
	header->nlmsg_seq = ++sequence;
	if (!dump)
		header->nlmsg_flags |= NLM_F_ACK;
	if (send(fd, m->bytes, m->len, 0) < 0)
		err(1, "send");
	for (;;) {
		ssize_t len = recv(fd, answer, sizeof(answer), 0);
		const uint8_t *at = answer;

		if (len < 0)
			err(1, "recv");
		while (len >= (ssize_t)sizeof(*header)) {
			const struct nlmsghdr *next = (const struct nlmsghdr *)at;

			if (next->nlmsg_len < sizeof(*next) || next->nlmsg_len > len) {
				fail("a message of %u bytes in %zd", next->nlmsg_len, len);
				return -EBADMSG;
			}
			if (next->nlmsg_seq == sequence) {
				if (next->nlmsg_type == NLMSG_ERROR || next->nlmsg_type == NLMSG_DONE)
					return *(const int *)NLMSG_DATA(next);
				if (seen && !seen(next, arg))
					seen = NULL;
			}
			at += NLMSG_ALIGN(next->nlmsg_len);
			len -= NLMSG_ALIGN(next->nlmsg_len);
		}
	}
}

/* Takes what has come back; the errors of requests are noted by their number. */
static void drain(int errors[], uint32_t first, uint32_t count)
{
	static uint8_t buffers[32][4096] __attribute__((aligned(4)));
	struct mmsghdr messages[32];
	struct iovec vectors[32];
	int i, got;

	for (;;) {
		for (i = 0; i < 32; i++) {
			vectors[i] = (struct iovec){ buffers[i], sizeof(buffers[i]) };
			messages[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &vectors[i], .msg_iovlen = 1 } };
		}
		got = recvmmsg(bulk, messages, 32, MSG_DONTWAIT, NULL);
		if (got < 0 && errno == ENOBUFS)
			continue;
		if (got <= 0)
			return;
		for (i = 0; i < got; i++) {
			const struct nlmsghdr *header = (const struct nlmsghdr *)buffers[i];

			if (header->nlmsg_type == NLMSG_ERROR && header->nlmsg_seq - first < count)
				errors[header->nlmsg_seq - first] = *(const int *)NLMSG_DATA(header);
		}
	}
}

/************************************************************************************************
 * What must hold
 */

struct devices {
	uint32_t count, others;
	/* Those that a request of the group would not remove. */
	uint32_t index[1024];
	struct xfrm xfrm;
};

static bool see_link(const struct nlmsghdr *header, void *arg)
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

static void link_request(struct message *m, uint16_t type, uint16_t flags, int index, const char *name)
{
	struct ifinfomsg ifi = { .ifi_index = index };

	message_begin(m, type, flags);
	message_add(m, &ifi, sizeof(ifi));
	if (name)
		put(m, IFLA_IFNAME, name, strlen(name) + 1);
}

/* The devices of a namespace, asked for with and without strict checking. */
static bool dump_links(int fd, struct devices *devices)
{
	struct message m;
	int error;

	*devices = (struct devices){};
	link_request(&m, RTM_GETLINK, NLM_F_DUMP, 0, NULL);
	error = ask(fd, &m, see_link, devices);
	return !error || fail("the dump of links ends with error %d", -error);
}

static bool see_route(const struct nlmsghdr *header, void *arg)
{
	struct span attrs = attributes(header, sizeof(struct rtmsg)), encap;
	uint32_t *count = arg, value;

	if (!well_formed(attrs))
		return fail("the attributes of a route can't be parsed");
	if (attribute(attrs, RTA_ENCAP, &encap)) {
		if (!well_formed(encap) || !number(encap, LWT_XFRM_IF_ID, &value) || !value)
			return fail("the encapsulation of a route can't be parsed");
		++*count;
	}
	return true;
}

static bool dump_routes(int fd)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	uint32_t i, count = 0;

	for (i = 0; i < ARRAY_SIZE(families); i++) {
		struct rtmsg rtm = { .rtm_family = families[i] };
		struct message m;
		int error;

		message_begin(&m, RTM_GETROUTE, NLM_F_DUMP);
		message_add(&m, &rtm, sizeof(rtm));
		error = ask(fd, &m, see_route, &count);
		if (error)
			return fail("the dump of routes ends with error %d", -error);
	}
	return true;
}

/* A device is made, changed and deleted as it should be. */
static bool plain(void)
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

struct wanted {
	struct span dst;
	struct rtmsg rtm;
	uint32_t id, if_id, link;
	bool found;
};

/* What an encapsulation that was accepted has asked for: neither number may be 0, and the link may be missing. */
static bool want(struct span encap, struct wanted *wanted)
{
	struct span ignored;

	if (number(encap, LWT_XFRM_IF_ID, &wanted->if_id) && wanted->if_id &&
	    (number(encap, LWT_XFRM_LINK, &wanted->link) ? wanted->link != 0 :
							   !attribute(encap, LWT_XFRM_LINK, &ignored)))
		return true;
	return fail("an encapsulation with if_id %#x and link %u was accepted", wanted->if_id, wanted->link);
}

static bool see_wanted(const struct nlmsghdr *header, void *arg)
{
	struct span attrs = attributes(header, sizeof(struct rtmsg)), dst, encap;
	const struct rtmsg *rtm = NLMSG_DATA(header);
	struct wanted *wanted = arg;
	uint32_t if_id = 0, link = 0;

	if (rtm->rtm_table == wanted->rtm.rtm_table && rtm->rtm_dst_len == wanted->rtm.rtm_dst_len &&
	    attribute(attrs, RTA_DST, &dst) && dst.len <= wanted->dst.len &&
	    !memcmp(dst.bytes, wanted->dst.bytes, dst.len) && attribute(attrs, RTA_ENCAP, &encap) &&
	    number(encap, LWT_XFRM_IF_ID, &if_id)) {
		number(encap, LWT_XFRM_LINK, &link);
		wanted->found |= if_id == wanted->if_id && link == wanted->link;
	}
	return true;
}

/* Whether a route that was accepted is there, with its encapsulation. */
static bool check_route(const struct nlmsghdr *header)
{
	struct wanted wanted = { .rtm = *(const struct rtmsg *)NLMSG_DATA(header) };
	struct span attrs = attributes(header, sizeof(struct rtmsg)), encap, ignored;
	struct message m;
	uint32_t value;
	int error;

	if (wanted.rtm.rtm_table != TABLE || wanted.rtm.rtm_type != RTN_UNICAST ||
	    (wanted.rtm.rtm_family != AF_INET && wanted.rtm.rtm_family != AF_INET6) ||
	    wanted.rtm.rtm_dst_len != (wanted.rtm.rtm_family == AF_INET ? 32 : 128))
		return true;
	if (attribute(attrs, RTA_MULTIPATH, &ignored) || attribute(attrs, RTA_NH_ID, &ignored) ||
	    number(attrs, RTA_TABLE, &value) || !attribute(attrs, RTA_ENCAP, &encap) ||
	    !attribute(attrs, RTA_ENCAP_TYPE, &ignored) || ignored.len < 2 ||
	    *(const uint16_t *)ignored.bytes != LWTUNNEL_ENCAP_XFRM ||
	    !attribute(attrs, RTA_DST, &wanted.dst))
		return true;
	if (!want(encap, &wanted))
		return false;
	message_begin(&m, RTM_GETROUTE, NLM_F_DUMP);
	message_add(&m, &(struct rtmsg){ .rtm_family = wanted.rtm.rtm_family }, sizeof(struct rtmsg));
	error = ask(checked[0], &m, see_wanted, &wanted);
	if (error)
		return fail("the dump of routes ends with error %d", -error);
	return wanted.found || fail("the route that was accepted has not if_id %#x and link %u", wanted.if_id,
				    wanted.link);
}

/* Whether the encapsulation of a next hop that was accepted is there. */
static bool see_nexthop(const struct nlmsghdr *header, void *arg)
{
	struct span attrs = attributes(header, sizeof(struct nhmsg)), encap;
	struct wanted *wanted = arg;
	uint32_t if_id = 0, link = 0, id = 0;

	number(attrs, NHA_ID, &id);
	if (id == wanted->id && attribute(attrs, NHA_ENCAP, &encap) && number(encap, LWT_XFRM_IF_ID, &if_id)) {
		number(encap, LWT_XFRM_LINK, &link);
		wanted->found |= if_id == wanted->if_id && link == wanted->link;
	}
	return true;
}

static bool check_nexthop(const struct nlmsghdr *header)
{
	struct span attrs = attributes(header, sizeof(struct nhmsg)), encap, ignored;
	struct wanted wanted = {};
	struct message m;
	int error;

	if (!number(attrs, NHA_ID, &wanted.id) || !attribute(attrs, NHA_ENCAP, &encap) ||
	    !attribute(attrs, NHA_ENCAP_TYPE, &ignored) || ignored.len < 2 ||
	    *(const uint16_t *)ignored.bytes != LWTUNNEL_ENCAP_XFRM || attribute(attrs, NHA_GROUP, &ignored))
		return true;
	if (!want(encap, &wanted))
		return false;
	message_begin(&m, RTM_GETNEXTHOP, NLM_F_DUMP);
	message_add(&m, &(struct nhmsg){}, sizeof(struct nhmsg));
	error = ask(checked[0], &m, see_nexthop, &wanted);
	if (error)
		return fail("the dump of next hops ends with error %d", -error);
	return wanted.found || fail("the next hop %u that was accepted has not if_id %#x and link %u", wanted.id,
				    wanted.if_id, wanted.link);
}

/*
 * An xfrm device. The first line is what tells it from others, wherever it goes and whatever it is called
 * there. The namespaces are numbers, 0 that in which requests are sent.
 */
struct device {
	uint32_t if_id, link, link_netns;
	bool external;
	uint32_t netns, index;
	char name[IFNAMSIZ];
	/* As the message says it: -1 is none. */
	int link_netnsid;
};

struct state {
	uint32_t count;
	struct device devices[1024];
};

static int socket_of(uint32_t netns)
{
	return netns ? elsewhere[netns - 1] : checked[0];
}

static bool see_nsid(const struct nlmsghdr *header, void *arg)
{
	number(attributes(header, sizeof(struct rtgenmsg)), NETNSA_NSID, arg);
	return true;
}

/* By which number one namespace knows another. */
static bool netns_by_id(uint32_t netns, int id, uint32_t *found)
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
static bool look(struct state *state)
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
static uint32_t missing(const struct state *in, const struct state *from, const struct device *list[2])
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
static bool check_free(const struct state *state, uint32_t if_id)
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

/* The C driver takes a link that does not exist, too; netlink.py is about that. */
static bool any_link;

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
 * Whether what a request was answered with, and what is there after it, is how it should be. A request to
 * change a device may have changed its if_id, and then be refused for what all devices have.
 */
static bool check_link(const struct nlmsghdr *header, int error, const struct state *before,
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

/* What is said of routes and next hops, in one number: but for what changes when they are used. */
static bool sum_message(const struct nlmsghdr *header, void *arg)
{
	bool route = header->nlmsg_type == RTM_NEWROUTE;
	struct span attrs = attributes(header, route ? sizeof(struct rtmsg) : sizeof(struct nhmsg)), ignored;
	const uint8_t *fixed = NLMSG_DATA(header);
	uint64_t hash = 0xcbf29ce484222325, *sum = arg;
	uint32_t i;

	/* Others come and go with addresses. */
	if (route && ((const struct rtmsg *)fixed)->rtm_table != TABLE && !attribute(attrs, RTA_ENCAP, &ignored))
		return true;
	for (i = 0; i < (route ? sizeof(struct rtmsg) : sizeof(struct nhmsg)); i++)
		hash = (hash ^ fixed[i]) * 0x100000001b3;
	while (attrs.len >= sizeof(struct nlattr)) {
		const struct nlattr *attr = (const struct nlattr *)attrs.bytes;
		uint32_t size = NLA_ALIGN(attr->nla_len);

		if (attr->nla_len < sizeof(*attr) || attr->nla_len > attrs.len)
			break;
		for (i = 0; i < attr->nla_len && (!route || attr->nla_type != RTA_CACHEINFO); i++)
			hash = (hash ^ attrs.bytes[i]) * 0x100000001b3;
		if (size >= attrs.len)
			break;
		attrs.bytes += size;
		attrs.len -= size;
	}
	*sum += hash;
	return true;
}

static bool sum_routes(uint64_t *sum)
{
	struct message m;
	int n, error = 0;

	*sum = 0;
	for (n = 0; n < 3 && !error; n++) {
		message_begin(&m, n < 2 ? RTM_GETROUTE : RTM_GETNEXTHOP, NLM_F_DUMP);
		if (n < 2)
			message_add(&m, &(struct rtmsg){ .rtm_family = n ? AF_INET6 : AF_INET }, sizeof(struct rtmsg));
		else
			message_add(&m, &(struct nhmsg){}, sizeof(struct nhmsg));
		error = ask(checked[0], &m, sum_message, sum);
	}
	return !error || fail("a dump of routes ends with error %d", -error);
}

/* Whether a request is one about routes or next hops. */
static bool is_route(const struct nlmsghdr *header)
{
	return (header->nlmsg_type >= RTM_NEWROUTE && header->nlmsg_type <= RTM_GETROUTE) ||
	       (header->nlmsg_type >= RTM_NEWNEXTHOP && header->nlmsg_type <= RTM_GETNEXTHOP);
}

/* Several next hops are put in one after the other. */
static bool has_hops(const struct nlmsghdr *header)
{
	struct span ignored;

	return attribute(attributes(header, sizeof(struct rtmsg)), RTA_MULTIPATH, &ignored);
}

/* Removes what a chunk has left. */
static bool reset(void)
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

/* How many of the messages of a batch that went to the kernel it has accepted, by their type. */
static uint32_t created;
static unsigned long sent, accepted, watched, watched_accepted;
static int last_error;

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

/* One request by itself, and whether what comes of it is right. */
static bool watch(struct message *m)
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

static bool healthy(void)
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

#endif
