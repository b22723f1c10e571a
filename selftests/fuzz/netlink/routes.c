// SPDX-License-Identifier: GPL-2.0
#include "routes.h"

#include <linux/lwtunnel.h>
#include <linux/nexthop.h>
#include <string.h>
#include <sys/socket.h>

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

bool dump_routes(int fd)
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
bool check_route(const struct nlmsghdr *header)
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

bool check_nexthop(const struct nlmsghdr *header)
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

bool sum_routes(uint64_t *sum)
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
bool is_route(const struct nlmsghdr *header)
{
	return (header->nlmsg_type >= RTM_NEWROUTE && header->nlmsg_type <= RTM_GETROUTE) ||
	       (header->nlmsg_type >= RTM_NEWNEXTHOP && header->nlmsg_type <= RTM_GETNEXTHOP);
}

/* Several next hops are put in one after the other. */
bool has_hops(const struct nlmsghdr *header)
{
	struct span ignored;

	return attribute(attributes(header, sizeof(struct rtmsg)), RTA_MULTIPATH, &ignored);
}
