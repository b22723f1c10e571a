// SPDX-License-Identifier: GPL-2.0
#include "world.h"
#include "capture.h"
#include "growth.h"
#include "restore.h"

#include <arpa/inet.h>
#include <sched.h>
#include <sys/socket.h>

const uint32_t if_ids[CONNECTIONS] = { 4, 6, 14, 16 };

const char *const local_address[2] = { "192.0.2.1", "2001:db8::1" };
const char *const second_address[2] = { "198.51.100.1", "2001:db8:1::1" };
const char *const peer_address[2] = { "203.0.113.2", "2001:db8:f::2" };
const char *const elsewhere_address[2] = { "203.0.113.3", "2001:db8:f::3" };
const char *const gateway[3][2] = {
	{ "192.0.2.9", "2001:db8::9" }, { "198.51.100.9", "2001:db8:1::9" }, { "192.0.2.8", "2001:db8::8" },
};
const char *const inner_address[2] = { "10.0.0.1", "fd00::1" };

int family_of(bool six)
{
	return six ? AF_INET6 : AF_INET;
}

uint32_t address_len(bool six)
{
	return six ? 16 : 4;
}

/* An address as bytes; 16 of them are writable. */
void to_address(void *to, bool six, const char *text)
{
	memset(to, 0, 16);
	if (inet_pton(family_of(six), text, to) != 1)
		errx(2, "not an address: %s", text);
}

void put_address(struct message *m, uint16_t type, bool six, const char *text)
{
	uint8_t bytes[16];

	to_address(bytes, six, text);
	put(m, type, bytes, address_len(six));
}

void put_u32(struct message *m, uint16_t type, uint32_t value)
{
	put(m, type, &value, 4);
}

void put_text(struct message *m, uint16_t type, const char *text)
{
	put(m, type, text, strlen(text) + 1);
}

uint32_t nest_begin(struct message *m, uint16_t type)
{
	uint32_t at = m->len;

	put(m, type | NLA_F_NESTED, NULL, 0);
	return at;
}

/* Makes a request, and returns the errno that the kernel answers. */
int request(int sock, struct message *m)
{
	struct nlmsghdr *header = (struct nlmsghdr *)m->bytes, *answer;
	static uint8_t buffer[8192] __attribute__((aligned(4)));
	static uint32_t sequence;
	ssize_t len;

	message_end(m);
	header->nlmsg_flags |= NLM_F_ACK;
	header->nlmsg_seq = ++sequence;
	if (send(sock, m->bytes, m->len, 0) != (ssize_t)m->len)
		err(1, "netlink: send");
	while ((len = recv(sock, buffer, sizeof(buffer), 0)) >= 0) {
		answer = (struct nlmsghdr *)buffer;
		if (NLMSG_OK(answer, len) && answer->nlmsg_type == NLMSG_ERROR && answer->nlmsg_seq == sequence)
			return -((struct nlmsgerr *)NLMSG_DATA(answer))->error;
	}
	err(1, "netlink: receive");
}

void enter(int ns)
{
	if (setns(ns, CLONE_NEWNET))
		err(1, "setns");
}

/* Writes a setting of the namespace that the process is in. */
int set_sysctl(const char *name, const char *value)
{
	char path[128];
	int fd, failed;

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	failed = write(fd, value, strlen(value)) < 0 ? errno : 0;
	close(fd);
	return failed;
}

static int netlink_open(int protocol)
{
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	int one = 1;

	if (sock < 0)
		err(1, "netlink");
	/* No quotation of what was asked. */
	setsockopt(sock, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	return sock;
}

/* The inner address that a flow goes to. */
const char *destination(int flow)
{
	static char text[32];

	snprintf(text, sizeof(text), SIX_OF(flow) ? "fd00:1::%x" : "10.1.%d.2", flow + 1);
	return text;
}

static int sender_open(int flow)
{
	int sock = socket(family_of(SIX_OF(flow)), SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1, mark = EXTERNAL_OF(flow);
	int dont_fragment = IP_PMTUDISC_DO;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} from = {};

	if (sock < 0)
		err(1, "socket");
	from.any.sa_family = family_of(SIX_OF(flow));
	if (SIX_OF(flow)) {
		to_address(&from.v6.sin6_addr, true, inner_address[1]);
		from.v6.sin6_port = htons(SOURCE_PORT);
		setsockopt(sock, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &dont_fragment, sizeof(dont_fragment));
	} else {
		inet_pton(AF_INET, inner_address[0], &from.v4.sin_addr);
		from.v4.sin_port = htons(SOURCE_PORT);
		setsockopt(sock, IPPROTO_IP, IP_MTU_DISCOVER, &dont_fragment, sizeof(dont_fragment));
	}
	setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (mark && setsockopt(sock, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)))
		err(1, "SO_MARK");
	if (bind(sock, &from.any, SIX_OF(flow) ? sizeof(from.v6) : sizeof(from.v4)))
		err(1, "bind");
	return sock;
}

/* The namespace that a flow's packets come from. */
int place_of(const struct world *w, int flow)
{
	return EXTERNAL_OF(flow) ? w->external : PLACE(CONNECTION_OF(flow));
}

static int netns_new(void)
{
	int fd;

	if (unshare(CLONE_NEWNET))
		err(1, "unshare");
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "/proc/self/ns/net");
	/* Nothing but the flows' own packets. */
	set_sysctl("net/ipv6/conf/default/addr_gen_mode", "1");
	set_sysctl("net/ipv6/conf/default/accept_dad", "0");
	set_sysctl("net/ipv6/conf/all/accept_dad", "0");
	set_sysctl(HASH_SEED, FIRST_SEED);
	return fd;
}

/* Names "here" for requests made in "inner". */
static void name_netns(struct world *w)
{
	struct message m;
	struct rtgenmsg gen = {};

	message_begin(&m, RTM_NEWNSID, 0);
	message_add(&m, &gen, sizeof(gen));
	m.len = NLMSG_ALIGN(m.len);
	put_u32(&m, 1 /* NETNSA_NSID */, 0);
	put_u32(&m, 3 /* NETNSA_FD */, w->ns[HERE]);
	if (request(w->rtnl[INNER], &m))
		errx(1, "the namespace can not be given a number");
}

void world_open(struct world *w, bool fresh)
{
	w->fresh = fresh;
	for (int place = HERE; place <= INNER; place++) {
		w->ns[place] = netns_new();
		w->rtnl[place] = netlink_open(NETLINK_ROUTE);
		if (place == HERE) {
			w->xfrm = netlink_open(NETLINK_XFRM);
			w->capture = capture_open();
		}
	}
	name_netns(w);
	grow_table(w, PLACES);
	restore(w);
	for (int place = HERE; place <= INNER; place++) {
		enter(w->ns[place]);
		for (int flow = 0; flow < FLOWS; flow++)
			w->senders[place][flow] = sender_open(flow);
	}
}

void world_close(struct world *w)
{
	for (int place = HERE; place <= INNER; place++) {
		for (int flow = 0; flow < FLOWS; flow++)
			close(w->senders[place][flow]);
		close(w->rtnl[place]);
		close(w->ns[place]);
	}
	close(w->xfrm);
	close(w->capture);
}
