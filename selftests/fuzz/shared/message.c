// SPDX-License-Identifier: GPL-2.0
#include "message.h"

#include <string.h>

/* Adds an attribute; a length that is wrong is now and then the point. */
void put(struct message *m, uint16_t type, const void *payload, uint32_t len)
{
	struct nlattr attr = { .nla_len = sizeof(attr) + len, .nla_type = type };

	if (m->len + sizeof(attr) + NLA_ALIGN(len) > MESSAGE_SIZE - 64)
		return;
	memcpy(m->bytes + m->len, &attr, sizeof(attr));
	memcpy(m->bytes + m->len + sizeof(attr), payload, len);
	memset(m->bytes + m->len + sizeof(attr) + len, 0, NLA_ALIGN(len) - len);
	m->len += sizeof(attr) + NLA_ALIGN(len);
}

void nest_end(struct message *m, uint32_t at)
{
	struct nlattr *attr = (struct nlattr *)(m->bytes + at);

	if (at < m->len)
		attr->nla_len = m->len - at;
}

uint32_t message_begin(struct message *m, uint16_t type, uint16_t flags)
{
	struct nlmsghdr header = { .nlmsg_type = type, .nlmsg_flags = flags | NLM_F_REQUEST };

	memcpy(m->bytes, &header, sizeof(header));
	return m->len = sizeof(header);
}

void message_add(struct message *m, const void *bytes, uint32_t len)
{
	memcpy(m->bytes + m->len, bytes, len);
	m->len += NLMSG_ALIGN(len);
}

void message_end(struct message *m)
{
	((struct nlmsghdr *)m->bytes)->nlmsg_len = m->len;
}

/* The last attribute of a type, with at least so many bytes. */
bool attribute(struct span in, uint16_t type, struct span *out)
{
	bool found = false;

	while (in.len >= sizeof(struct nlattr)) {
		struct nlattr attr;

		memcpy(&attr, in.bytes, sizeof(attr));
		if (attr.nla_len < sizeof(attr) || attr.nla_len > in.len)
			break;
		if ((attr.nla_type & NLA_TYPE_MASK) == type) {
			*out = (struct span){ in.bytes + sizeof(attr), attr.nla_len - sizeof(attr) };
			found = true;
		}
		if (NLA_ALIGN(attr.nla_len) >= in.len)
			break;
		in.bytes += NLA_ALIGN(attr.nla_len);
		in.len -= NLA_ALIGN(attr.nla_len);
	}
	return found;
}

bool number(struct span in, uint16_t type, uint32_t *value)
{
	struct span span;

	if (!attribute(in, type, &span) || span.len < 4)
		return false;
	memcpy(value, span.bytes, 4);
	return true;
}

/* Whether attributes fill the bytes to the end, as those that the kernel writes do. */
bool well_formed(struct span in)
{
	while (in.len) {
		struct nlattr attr;

		if (in.len < sizeof(attr))
			return false;
		memcpy(&attr, in.bytes, sizeof(attr));
		if (attr.nla_len < sizeof(attr) || attr.nla_len > in.len)
			return false;
		if (NLA_ALIGN(attr.nla_len) >= in.len)
			return true;
		in.bytes += NLA_ALIGN(attr.nla_len);
		in.len -= NLA_ALIGN(attr.nla_len);
	}
	return true;
}

struct span attributes(const struct nlmsghdr *header, uint32_t fixed)
{
	uint32_t skip = NLMSG_HDRLEN + NLMSG_ALIGN(fixed);

	if (header->nlmsg_len < skip)
		return (struct span){};
	return (struct span){ (const uint8_t *)header + skip, header->nlmsg_len - skip };
}

struct xfrm xfrm_of(struct span attrs)
{
	struct xfrm xfrm = {};
	struct span info, kind, data;

	if (!attribute(attrs, IFLA_LINKINFO, &info) || !attribute(info, IFLA_INFO_KIND, &kind))
		return xfrm;
	xfrm.is_xfrm = kind.len >= 4 && !memcmp(kind.bytes, "xfrm", 4) && (kind.len == 4 || !kind.bytes[4]);
	if (!xfrm.is_xfrm || !attribute(info, IFLA_INFO_DATA, &data))
		return xfrm;
	xfrm.has_data = true;
	xfrm.has_if_id = number(data, IFLA_XFRM_IF_ID, &xfrm.if_id);
	xfrm.has_link = number(data, IFLA_XFRM_LINK, &xfrm.link);
	xfrm.external = attribute(data, IFLA_XFRM_COLLECT_METADATA, &info);
	return xfrm;
}
