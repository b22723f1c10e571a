// SPDX-License-Identifier: GPL-2.0
#include "grammar.h"
#include "links.h"
#include "oracle.h"
#include "routes.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/lwtunnel.h>
#include <linux/nexthop.h>
#include <sys/socket.h>

static void put_u32(struct message *m, uint16_t type, uint32_t value)
{
	uint32_t pair[2] = { value, fuzz_u32() };
	uint32_t len = 4;

	if (one_in(32))
		len = fuzz_below(one_in(2) ? 4 : 9);
	put(m, type, pair, len);
}

static void put_u16(struct message *m, uint16_t type, uint16_t value)
{
	put(m, type, &value, one_in(128) ? 1 : 2);
}

static uint32_t nest_begin(struct message *m, uint16_t type, uint32_t flagged)
{
	uint32_t at = m->len;

	put(m, type | (one_in(flagged) ? NLA_F_NESTED : 0), NULL, 0);
	return at;
}

/* Attributes that nobody knows. */
static void put_unknown(struct message *m, uint16_t from)
{
	uint8_t payload[16];

	if (!one_in(24))
		return;
	fuzz_bytes(payload, sizeof(payload));
	put(m, from + fuzz_below(one_in(8) ? 0x3fff : 4), payload, fuzz_below(sizeof(payload)));
}

static uint32_t some_if_id(void)
{
	return one_in(12) ? fuzz_number() : 1 + fuzz_below(32);
}

static uint32_t some_link(void)
{
	switch (fuzz_below(8)) {
	case 0: return fuzz_number();
	case 1: return INDEX + fuzz_below(INDICES);
	case 2: return 1;
	case 3: return 0;
	default: return DUMMY + fuzz_below(DUMMIES);
	}
}

static uint32_t some_oif(void)
{
	return one_in(2) ? some_link() : INDEX + fuzz_below(INDICES);
}

static int32_t some_nsid(void)
{
	return one_in(6) ? fuzz_number() : 1 + fuzz_below(netns_count ? netns_count : 1);
}

static void put_name(struct message *m, uint32_t index)
{
	static const char *const odd[] = {
		"", "x%d", "%d", "%s", ".", "..", "a/b", "a b", "a:b", "d0", "lo", "ipsec%%",
		"sixteen-letters-", "more than sixteen letters",
	};
	char name[IFNAMSIZ];

	if (one_in(20)) {
		const char *text = pick(odd);

		put(m, IFLA_IFNAME, text, strlen(text) + !one_in(4));
		return;
	}
	snprintf(name, sizeof(name), "x%u", index - INDEX);
	put(m, IFLA_IFNAME, name, strlen(name) + !one_in(16));
}

static void put_xfrm(struct message *m, bool external)
{
	uint32_t at = nest_begin(m, IFLA_INFO_DATA, 2), n = 0;

	do {
		if (external) {
			if (!one_in(8))
				put(m, IFLA_XFRM_COLLECT_METADATA, "\1\0\0", one_in(16) ? fuzz_below(5) : 0);
			if (one_in(8))
				put_u32(m, IFLA_XFRM_IF_ID, one_in(2) ? 0 : some_if_id());
			if (one_in(8))
				put_u32(m, IFLA_XFRM_LINK, one_in(2) ? 0 : some_link());
		} else {
			if (!one_in(10))
				put_u32(m, IFLA_XFRM_IF_ID, some_if_id());
			if (one_in(2))
				put_u32(m, IFLA_XFRM_LINK, some_link());
			if (one_in(32))
				put(m, IFLA_XFRM_COLLECT_METADATA, NULL, 0);
		}
		put_unknown(m, __IFLA_XFRM_MAX);
		/* What is there twice counts once. */
	} while (one_in(16) && ++n < 4);
	nest_end(m, at);
}

static void put_linkinfo(struct message *m, bool external)
{
	static const char *const kinds[] = { "dummy", "veth", "vrf", "" };
	const char *kind = one_in(1000) ? pick(kinds) : "xfrm";
	uint32_t at = nest_begin(m, IFLA_LINKINFO, 2);

	if (!one_in(200))
		put(m, IFLA_INFO_KIND, kind, strlen(kind) + one_in(2));
	if (!one_in(20))
		put_xfrm(m, external);
	if (one_in(100))
		put(m, IFLA_INFO_SLAVE_KIND, "vrf", 4);
	put_unknown(m, 7);
	nest_end(m, at);
}

/* Where the device goes to, and where its link is. */
static void put_netns(struct message *m)
{
	if (one_in(12))
		put_u32(m, IFLA_LINK_NETNSID, some_nsid());
	if (one_in(24))
		put_u32(m, IFLA_TARGET_NETNSID, some_nsid());
	if (one_in(24))
		put_u32(m, IFLA_NET_NS_FD, one_in(4) ? fuzz_below(32) : (uint32_t)netns_fd[fuzz_below(MAX_NETNS)]);
	if (one_in(32))
		put_u32(m, IFLA_NET_NS_PID, fuzz_below(4));
	if (one_in(32))
		put_u32(m, IFLA_NEW_IFINDEX, INDEX + fuzz_below(INDICES));
}

static void put_other(struct message *m)
{
	static const uint32_t mtus[] = { 0, 1, 67, 68, 1280, 1400, 1500, 9000, 65535, 65536, 0xffffffff };
	uint8_t payload[36];

	if (!one_in(3))
		return;
	fuzz_bytes(payload, sizeof(payload));
	switch (fuzz_below(12)) {
	case 0: case 1: put_u32(m, IFLA_MTU, pick(mtus)); break;
	case 2: put(m, IFLA_ADDRESS, payload, one_in(2) ? 6 : fuzz_below(sizeof(payload))); break;
	case 3: put(m, IFLA_BROADCAST, payload, one_in(2) ? 6 : fuzz_below(sizeof(payload))); break;
	case 4: put_u32(m, IFLA_TXQLEN, fuzz_number()); break;
	case 5: put_u32(m, IFLA_LINK, some_link()); break;
	case 6: put_u32(m, IFLA_NUM_TX_QUEUES, fuzz_below(9)); break;
	case 7: put_u32(m, IFLA_NUM_RX_QUEUES, fuzz_below(9)); break;
	case 8: put_u32(m, IFLA_GSO_MAX_SIZE, fuzz_number()); break;
	case 9: put(m, IFLA_CARRIER, payload, 1); break;
	case 10: put_u32(m, IFLA_MASTER, some_link()); break;
	case 11: put(m, IFLA_AF_SPEC, payload, fuzz_below(8)); break;
	}
}

/* A request about a link. Few delete one, and so few can create one, because deletion takes long. */
static void link_message(struct message *m)
{
	static const uint16_t flags[] = {
		NLM_F_CREATE | NLM_F_EXCL, NLM_F_CREATE | NLM_F_EXCL, NLM_F_CREATE | NLM_F_EXCL, NLM_F_CREATE, 0, 0,
		NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE | NLM_F_REPLACE, NLM_F_CREATE | NLM_F_ECHO, NLM_F_APPEND,
	};
	static const uint16_t types[] = {
		RTM_NEWLINK, RTM_NEWLINK, RTM_NEWLINK, RTM_NEWLINK, RTM_NEWLINK, RTM_NEWLINK, RTM_SETLINK,
		RTM_GETLINK, RTM_GETLINK,
	};
	uint16_t type = one_in(200) ? RTM_DELLINK : pick(types);
	uint32_t index = INDEX + fuzz_below(INDICES);
	struct ifinfomsg ifi = { .ifi_family = one_in(50) ? fuzz_u32() : AF_UNSPEC };
	uint16_t flag = pick(flags);

	if (type == RTM_GETLINK)
		flag = one_in(16) ? NLM_F_DUMP : 0;
	message_begin(m, type, flag);
	if (one_in(2))
		ifi.ifi_index = one_in(20) ? some_link() : index;
	/* Damaged requests may remove the dummies; not too often. */
	if (type == RTM_DELLINK && !one_in(50))
		ifi.ifi_index = index;
	if (one_in(3)) {
		ifi.ifi_flags = one_in(8) ? fuzz_u32() : IFF_UP * fuzz_below(2);
		ifi.ifi_change = one_in(8) ? fuzz_u32() : IFF_UP;
	}
	message_add(m, &ifi, one_in(200) ? fuzz_below(sizeof(ifi)) : sizeof(ifi));
	if (!one_in(8))
		put_name(m, index);
	if (type == RTM_NEWLINK || one_in(6))
		put(m, IFLA_GROUP, &(uint32_t){ GROUP }, 4);
	if (type == RTM_NEWLINK ? !one_in(40) : one_in(4))
		put_linkinfo(m, one_in(6));
	put_netns(m);
	put_other(m);
	if (one_in(type == RTM_GETLINK ? 4 : 100))
		put_u32(m, IFLA_EXT_MASK, fuzz_u32());
	put_unknown(m, 80);
}

static void put_encap(struct message *m, uint16_t type_attr, uint16_t encap_attr)
{
	uint32_t at, n = 0;

	if (!one_in(40))
		put_u16(m, type_attr, one_in(100) ? fuzz_below(LWTUNNEL_ENCAP_IP6 + 1) : LWTUNNEL_ENCAP_XFRM);
	if (one_in(40))
		return;
	at = nest_begin(m, encap_attr, 1);
	if (one_in(20))
		((struct nlattr *)(m->bytes + at))->nla_type &= ~NLA_F_NESTED;
	do {
		if (!one_in(16))
			put_u32(m, LWT_XFRM_IF_ID, one_in(16) ? 0 : some_if_id());
		if (one_in(3))
			put_u32(m, LWT_XFRM_LINK, some_link());
		put_unknown(m, __LWT_XFRM_MAX);
	} while (one_in(16) && ++n < 4);
	nest_end(m, at);
}

static void put_hops(struct message *m)
{
	uint32_t at = nest_begin(m, RTA_MULTIPATH, 100), i, n = 1 + fuzz_below(3);

	for (i = 0; i < n && m->len < MESSAGE_SIZE / 2; i++) {
		struct rtnexthop hop = { .rtnh_ifindex = some_oif(), .rtnh_hops = fuzz_below(4) };
		uint32_t begin = m->len;

		message_add(m, &hop, sizeof(hop));
		if (!one_in(4))
			put_encap(m, RTA_ENCAP_TYPE, RTA_ENCAP);
		((struct rtnexthop *)(m->bytes + begin))->rtnh_len =
			one_in(50) ? fuzz_number() : m->len - begin;
	}
	nest_end(m, at);
}

static void put_address(struct message *m, uint16_t type, uint8_t family, uint8_t last)
{
	uint8_t v4[4] = { 10, 9, 0, last };
	uint8_t v6[16] = { 0xfd, 0, 0, 9, [15] = last };

	put(m, type, family == AF_INET6 ? v6 : v4, one_in(64) ? fuzz_below(16) : family == AF_INET6 ? 16 : 4);
}

static void route_message(struct message *m)
{
	static const uint16_t flags[] = {
		NLM_F_CREATE | NLM_F_EXCL, NLM_F_CREATE | NLM_F_REPLACE, NLM_F_CREATE | NLM_F_REPLACE,
		NLM_F_CREATE | NLM_F_APPEND, NLM_F_REPLACE, NLM_F_CREATE, 0,
	};
	static const uint16_t types[] = {
		RTM_NEWROUTE, RTM_NEWROUTE, RTM_NEWROUTE, RTM_NEWROUTE, RTM_DELROUTE, RTM_DELROUTE, RTM_GETROUTE,
	};
	struct rtmsg rtm = {
		.rtm_family = one_in(2) ? AF_INET : AF_INET6,
		.rtm_table = one_in(8) ? fuzz_u32() : TABLE,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = RT_SCOPE_LINK,
		.rtm_type = one_in(20) ? fuzz_below(14) : RTN_UNICAST,
	};
	uint16_t type = pick(types), flag = pick(flags);

	if (type == RTM_GETROUTE)
		flag = one_in(16) ? NLM_F_DUMP : 0;
	else if (type == RTM_DELROUTE)
		flag = 0;
	rtm.rtm_dst_len = rtm.rtm_family == AF_INET ? 32 : 128;
	if (one_in(16))
		rtm.rtm_dst_len = fuzz_below(140);
	if (one_in(32))
		rtm.rtm_family = fuzz_below(40);
	if (one_in(32))
		rtm.rtm_scope = fuzz_u32();
	if (one_in(32))
		rtm.rtm_flags = fuzz_u32();
	message_begin(m, type, flag);
	message_add(m, &rtm, one_in(200) ? fuzz_below(sizeof(rtm)) : sizeof(rtm));
	if (!one_in(20))
		put_address(m, RTA_DST, rtm.rtm_family, fuzz_below(8));
	if (one_in(10))
		put_u32(m, RTA_NH_ID, 1 + fuzz_below(8));
	else if (one_in(6))
		put_hops(m);
	else {
		put_u32(m, RTA_OIF, some_oif());
		if (!one_in(8))
			put_encap(m, RTA_ENCAP_TYPE, RTA_ENCAP);
	}
	if (one_in(8))
		put_u32(m, RTA_PRIORITY, fuzz_below(4));
	if (one_in(16))
		put_address(m, RTA_GATEWAY, rtm.rtm_family, 77);
	if (one_in(32))
		put_u32(m, RTA_TABLE, TABLE);
	put_unknown(m, 32);
}

static void nexthop_message(struct message *m)
{
	static const uint16_t types[] = { RTM_NEWNEXTHOP, RTM_NEWNEXTHOP, RTM_NEWNEXTHOP, RTM_DELNEXTHOP, RTM_GETNEXTHOP };
	struct nhmsg nhm = {
		.nh_family = one_in(2) ? AF_INET : AF_INET6, .nh_protocol = RTPROT_STATIC, .nh_scope = 0,
	};
	uint16_t type = pick(types), flag = NLM_F_CREATE | NLM_F_REPLACE * fuzz_below(2);

	if (type == RTM_GETNEXTHOP)
		flag = one_in(8) ? NLM_F_DUMP : 0;
	else if (type == RTM_DELNEXTHOP)
		flag = 0;
	if (one_in(16))
		nhm.nh_flags = fuzz_u32();
	message_begin(m, type, flag);
	if (type != RTM_NEWNEXTHOP)
		nhm = (struct nhmsg){};
	message_add(m, &nhm, sizeof(nhm));
	if (!one_in(8))
		put_u32(m, NHA_ID, 1 + fuzz_below(8));
	if (type != RTM_NEWNEXTHOP)
		return;
	if (one_in(8)) {
		struct nexthop_grp group[3] = { { .id = 1 + fuzz_below(8) }, { .id = 1 + fuzz_below(8) } };

		put(m, NHA_GROUP, group, fuzz_below(3) * sizeof(group[0]));
	} else {
		put_u32(m, NHA_OIF, some_oif());
		put_encap(m, NHA_ENCAP_TYPE, NHA_ENCAP);
		if (one_in(16))
			put(m, NHA_BLACKHOLE, NULL, 0);
	}
	put_unknown(m, 16);
}

/* Damage. */
static void mutate(struct message *m)
{
	struct nlmsghdr *header = (struct nlmsghdr *)m->bytes;
	uint32_t at, len, body = m->len - sizeof(*header);

	if (body < 8)
		return;
	at = sizeof(*header) + fuzz_below(body);
	switch (fuzz_below(9)) {
	case 0:
		m->bytes[at] ^= 1 << fuzz_below(8);
		break;
	case 1:
		m->bytes[at] = fuzz_u32();
		break;
	case 2: /* a number; attributes begin at multiples of four */
		at &= ~3;
		*(uint32_t *)(m->bytes + at) = fuzz_number();
		break;
	case 3: /* a length */
		at &= ~3;
		*(uint16_t *)(m->bytes + at) = one_in(2) ? fuzz_below(24) : fuzz_number();
		break;
	case 4: /* a type */
		at &= ~3;
		*(uint16_t *)(m->bytes + at + 2) ^= one_in(2) ? 0x8000 >> fuzz_below(2) : fuzz_below(8);
		break;
	case 5: /* the end is missing */
		m->len = at;
		break;
	case 6: /* something is missing */
		at &= ~3;
		len = 4 * fuzz_below(4);
		if (at + len > m->len)
			break;
		memmove(m->bytes + at, m->bytes + at + len, m->len - at - len);
		m->len -= len;
		break;
	case 7: /* something is there twice */
		at &= ~3;
		len = 4 * (1 + fuzz_below(8));
		if (m->len + len > MESSAGE_SIZE - 64 || at + len > m->len)
			break;
		memmove(m->bytes + at + len, m->bytes + at, m->len - at);
		m->len += len;
		break;
	case 8: /* something behind the end */
		len = fuzz_below(32);
		if (m->len + len > MESSAGE_SIZE - 64)
			break;
		fuzz_bytes(m->bytes + m->len, len);
		m->len += len;
		break;
	}
	header->nlmsg_len = m->len;
}

/*
 * Whether the kernel would look for a module because of the request: for a kind or an encapsulation
 * that it does not know. That takes as long as a hundred requests, and is nothing that the driver
 * does.
 */
static bool asks_for_module(const struct message *m)
{
	const struct nlmsghdr *header = (const struct nlmsghdr *)m->bytes;
	struct span info, kind, encap;

	if (header->nlmsg_type == RTM_NEWLINK)
		return attribute(attributes(header, sizeof(struct ifinfomsg)), IFLA_LINKINFO, &info) &&
		       attribute(info, IFLA_INFO_KIND, &kind) && kind.len && kind.bytes[0] &&
		       !(kind.len >= 4 && !memcmp(kind.bytes, "xfrm", 4) && (kind.len == 4 || !kind.bytes[4]));
	return attribute(attributes(header, sizeof(struct rtmsg)), RTA_ENCAP_TYPE, &encap) && encap.len >= 2 &&
	       *(const uint16_t *)encap.bytes != LWTUNNEL_ENCAP_XFRM;
}

/* One request; whether it may be followed by others in the same buffer. */
bool generate(struct message *m)
{
	struct nlmsghdr *header = (struct nlmsghdr *)m->bytes;
	uint32_t what = fuzz_below(16), n;
	static struct message before;
	bool go_on = true;

	if (what < 10)
		link_message(m);
	else if (what < 15)
		route_message(m);
	else
		nexthop_message(m);
	message_end(m);
	if (one_in(3)) {
		before = *m;
		for (n = 1 + fuzz_below(3); n; n--)
			mutate(m);
		if (asks_for_module(m))
			*m = before;
	}
	if (one_in(100)) {
		header->nlmsg_len = one_in(2) ? fuzz_below(m->len + 64) : fuzz_number();
		go_on = false;
	}
	if (one_in(200))
		header->nlmsg_flags = fuzz_u32();
	/* The others would reach what has nothing to do with the driver, or wait for ever. */
	if (one_in(500))
		header->nlmsg_type = one_in(2) ? RTM_NEWLINK + fuzz_below(12) : fuzz_below(16);
	return go_on;
}

/* How many are sent at once. One by itself is watched, others are many. */
uint32_t batch_size(void)
{
	return one_in(8) ? 1 + fuzz_below(BATCH) : 1;
}
