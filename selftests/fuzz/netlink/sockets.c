// SPDX-License-Identifier: GPL-2.0
#include "sockets.h"

#include <linux/lwtunnel.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/socket.h>

int netns_fd[MAX_NETNS], netns_count;
int bulk, checked[2], elsewhere[MAX_NETNS - 1];
uint32_t sequence;
char problem[512];

static uint8_t answer[1 << 18] __attribute__((aligned(4)));

bool fail(const char *format, ...)
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

void prepare(char *names[])
{
	int i;

	for (i = 0; names[i] && strcmp(names[i], "--"); i++) {
		if (i == MAX_NETNS)
			errx(1, "too many namespaces");
		/* The first may be given by its descriptor, too: a device may go where it is. */
		netns_fd[i] = netns_open(names[i]);
		if (setns(netns_fd[i], CLONE_NEWNET))
			err(1, "setns");
		if (i) {
			elsewhere[i - 1] = open_socket(false);
			continue;
		}
		bulk = open_socket(false);
		checked[0] = open_socket(false);
		checked[1] = open_socket(true);
	}
	if (!i)
		errx(1, "no namespace");
	netns_count = i - 1;
	/* This process may be named, too, and devices are to be where they are looked for. */
	if (setns(netns_fd[0], CLONE_NEWNET))
		err(1, "setns");
}

int socket_of(uint32_t netns)
{
	return netns ? elsewhere[netns - 1] : checked[0];
}

/* Calls seen for each message that comes back, until the last; returns the error, 0 or negative. */
int ask(int fd, struct message *m, bool (*seen)(const struct nlmsghdr *header, void *arg), void *arg)
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
void drain(int errors[], uint32_t first, uint32_t count)
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
