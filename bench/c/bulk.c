// SPDX-License-Identifier: GPL-2.0
/*
 * Sends over TCP from one network namespace to another, or over UDP with -u, and prints how many
 * nanoseconds a megabyte (1,000,000 bytes) took, one line a round, after one that is not counted.
 * What is sent is compared with what arrives.
 *
 * Over UDP the kernel gets datagrams in segments of 40 (UDP_SEGMENT), and may give as many at once
 * (UDP_GRO).
 *
 * Sending and receiving are one thread, which waits only where neither can go on; how often it did
 * is printed at the end, on standard error, since a clock that counts instructions leaps forward
 * then.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "marks.h"
#include "net.h"

#define MEGABYTE 1000000
/* A datagram fits the MTU of a tunnel. Of TCP's segments, the kernel chooses the size. */
#define DATAGRAM 1250
#define SEGMENT (40 * DATAGRAM)

/* The stream is this again and again, of a prime length, so that no two segments are the same. */
static uint8_t pattern[2 * 65521];
#define PERIOD (sizeof(pattern) / 2)

static void fill_pattern(void)
{
	uint32_t x = 1;

	for (size_t i = 0; i < PERIOD; i++) {
		x = x * 1664525 + 1013904223;
		pattern[i] = x >> 24;
		pattern[i + PERIOD] = pattern[i];
	}
}

struct stream {
	int out, in;
	size_t most;		/* that is sent at once */
	uint64_t sent, received;
	uint32_t waits;
};

static struct stream connect_stream(const char *from, const char *to, const union address *address)
{
	union address any = any_address(address);
	struct stream s = {};
	int listener, yes = 1;

	enter(to);
	listener = socket(any.any.sa_family, SOCK_STREAM, 0);
	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    bind(listener, &any.any, length(&any)) || listen(listener, 1))
		err(1, "socket of the receiver");
	enter(from);
	s.out = socket(any.any.sa_family, SOCK_STREAM, 0);
	if (s.out < 0 || connect(s.out, &address->any, length(address)))
		err(1, "connect");
	s.in = accept(listener, NULL, NULL);
	if (s.in < 0)
		err(1, "accept");
	close(listener);
	s.most = PERIOD;
	return s;
}

static struct stream connect_datagrams(const char *from, const char *to,
				       const union address *address)
{
	union address any = any_address(address);
	struct stream s = { .most = SEGMENT };
	int yes = 1, size = DATAGRAM;

	enter(to);
	s.in = socket(any.any.sa_family, SOCK_DGRAM, 0);
	if (s.in < 0 || setsockopt(s.in, IPPROTO_UDP, UDP_GRO, &yes, sizeof(yes)) ||
	    bind(s.in, &any.any, length(&any)))
		err(1, "socket of the receiver");
	enter(from);
	s.out = socket(any.any.sa_family, SOCK_DGRAM, 0);
	if (s.out < 0 || setsockopt(s.out, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)) ||
	    connect(s.out, &address->any, length(address)))
		err(1, "socket of the sender");
	return s;
}

static bool send_some(struct stream *s, uint64_t until)
{
	size_t left = until - s->sent, at = s->sent % PERIOD;
	ssize_t done;

	/* Datagrams are received before the next are sent: nobody would send them again. */
	if (!left || (s->most == SEGMENT && s->received < s->sent))
		return false;
	done = send(s->out, pattern + at, left < s->most ? left : s->most, MSG_DONTWAIT);
	if (done < 0) {
		if (errno != EAGAIN)
			err(1, "send");
		return false;
	}
	s->sent += done;
	return true;
}

static bool receive_some(struct stream *s)
{
	static uint8_t got[PERIOD];
	ssize_t done = recv(s->in, got, sizeof(got), MSG_DONTWAIT);

	if (done < 0 && errno == EAGAIN)
		return false;
	if (done <= 0)
		err(1, "recv");
	if (memcmp(got, pattern + s->received % PERIOD, done))
		errx(1, "what arrives is not what was sent");
	s->received += done;
	return true;
}

/* Returns how many nanoseconds it took. Plugins see the rounds that count. */
static uint64_t run(struct stream *s, uint64_t bytes, bool counts)
{
	uint64_t until = s->sent + bytes, start = now();

	if (counts)
		mark(MARK_START);
	while (s->received < until) {
		bool sent = send_some(s, until), received = receive_some(s);
		struct pollfd fds[] = {
			{ .fd = s->in, .events = POLLIN },
			{ .fd = s->out, .events = s->sent < until ? POLLOUT : 0 },
		};

		if (sent || received)
			continue;
		s->waits++;
		if (poll(fds, 2, 5000) == 0)
			errx(1, "nothing arrives any more");
	}
	if (counts)
		mark(MARK_STOP);
	return now() - start;
}

static void usage(void)
{
	fprintf(stderr, "bulk [-m MEGABYTES] [-r ROUNDS] [-u] FROM-NETNS TO-NETNS ADDRESS\n");
	exit(2);
}

int main(int argc, char **argv)
{
	uint32_t megabytes = 8, rounds = 2;
	union address address;
	bool udp = false;
	struct stream s;
	int option;

	while ((option = getopt(argc, argv, "m:r:u")) != -1) {
		switch (option) {
		case 'm':
			megabytes = atoi(optarg);
			break;
		case 'r':
			rounds = atoi(optarg);
			break;
		case 'u':
			udp = true;
			break;
		default:
			usage();
		}
	}
	if (argc - optind != 3 || !megabytes)
		usage();
	parse(argv[optind + 2], &address);
	fill_pattern();
	s = (udp ? connect_datagrams : connect_stream)(argv[optind], argv[optind + 1], &address);
	mark(MARK_WATCH);
	run(&s, (uint64_t)megabytes * MEGABYTE, false);
	s.waits = 0;
	for (uint32_t i = 0; i < rounds; i++)
		printf("%.1f\n", (double)run(&s, (uint64_t)megabytes * MEGABYTE, true) / megabytes);
	mark(MARK_REST);
	fprintf(stderr, "waits: %u\n", s.waits);
	return 0;
}
