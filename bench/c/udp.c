// SPDX-License-Identifier: GPL-2.0
/*
 * Sends UDP packets from one network namespace, optionally takes them in another, and prints how
 * many nanoseconds each packet took, one line a round, after as many as -w says that are not
 * counted.
 *
 * Where the machine's clock counts instructions (QEMU's -icount), a nanosecond is an instruction;
 * "udp clock" tells whether it does.
 *
 * With -f, after each turn of all tenants comes a flood, which is not timed: packets of which none
 * has the same addresses and ports as another.
 *
 * Sending and receiving are one thread: a packet has usually gone through the whole stack when the
 * call that sends it returns, so that it can be taken right away.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PORT 4000

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* A loop of two instructions a turn. No processor takes one nanosecond for each of them. */
static bool clock_counts_instructions(void)
{
	const uint64_t turns = 10000000;
	uint64_t left = turns, start = now(), spent;

	asm volatile("1: dec %0; jnz 1b" : "+r"(left) : : "cc");
	spent = now() - start;
	return spent > turns * 2 * 0.99 && spent < turns * 2 * 1.01;
}

/* Tell plugin.c, which watches for them, what to count. The processor does nothing. */
static inline void mark_start(void)
{
	asm volatile("nopl 0x5ca1ab1e(%rax)");
}

static inline void mark_stop(void)
{
	asm volatile("nopl 0x5ca1ab1f(%rax)");
}

/* Packets that are on their way stay on the processor that they were sent on. */
static void stay_here(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "sched_setaffinity");
}

static void enter(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err(1, "%s", path);
	close(fd);
}

static socklen_t length(const union address *a)
{
	return a->any.sa_family == AF_INET ? sizeof(a->v4) : sizeof(a->v6);
}

static void parse(const char *text, union address *a)
{
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, text, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons(PORT);
	} else if (inet_pton(AF_INET6, text, &a->v6.sin6_addr) == 1) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons(PORT);
	} else {
		errx(1, "no address: %s", text);
	}
}

/* The address of a tenant: the first one's plus its number. */
static union address tenant_address(const union address *first, uint32_t number)
{
	union address a = *first;
	uint32_t *low = a.any.sa_family == AF_INET ? &a.v4.sin_addr.s_addr :
						     &a.v6.sin6_addr.s6_addr32[3];

	*low = htonl(ntohl(*low) + number);
	return a;
}

/* Which tenant each packet is for: one after the other, or by Zipf's law with exponent 1.1. */
static uint32_t *order(uint32_t tenants, uint32_t packets, bool zipf)
{
	uint32_t *list = calloc(packets, sizeof(*list));
	double *sums = calloc(tenants, sizeof(*sums)), sum = 0;

	if (!list || !sums)
		errx(1, "no memory");
	for (uint32_t i = 0; i < tenants; i++)
		sums[i] = sum += pow(i + 1, -1.1);
	srand48(1);
	for (uint32_t i = 0; i < packets; i++) {
		uint32_t low = 0, high = tenants - 1;
		double at = drand48() * sum;

		if (!zipf) {
			list[i] = i % tenants;
			continue;
		}
		while (low < high) {
			uint32_t middle = (low + high) / 2;

			if (sums[middle] < at)
				low = middle + 1;
			else
				high = middle;
		}
		list[i] = low;
	}
	free(sums);
	return list;
}

/* A socket of each tenant's, connected, as a socket that is not has no place to keep its route. */
static int *connect_all(const union address *first, uint32_t tenants)
{
	int *sockets = calloc(tenants, sizeof(*sockets));
	struct rlimit limit = { tenants + 100, tenants + 100 };

	if (!sockets || setrlimit(RLIMIT_NOFILE, &limit))
		err(1, "%u sockets", tenants);
	for (uint32_t i = 0; i < tenants; i++) {
		union address a = tenant_address(first, i);

		sockets[i] = socket(a.any.sa_family, SOCK_DGRAM, 0);
		if (sockets[i] < 0 || connect(sockets[i], &a.any, length(&a)))
			err(1, "socket %u", i);
	}
	return sockets;
}

static int receiver(const union address *first)
{
	union address a = { .any.sa_family = first->any.sa_family };
	struct timeval patience = { .tv_sec = 1 };
	int fd;

	if (a.any.sa_family == AF_INET)
		a.v4.sin_port = htons(PORT);
	else
		a.v6.sin6_port = htons(PORT);
	fd = socket(a.any.sa_family, SOCK_DGRAM, 0);
	if (fd < 0 || bind(fd, &a.any, length(&a)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		err(1, "socket of the receiver");
	return fd;
}

struct job {
	const int *out;
	const uint32_t *order;
	int in;		/* -1: nobody takes the packets */
	size_t size;
	uint32_t turn;	/* so many packets are timed between floods */
	struct flood *flood;
};

/* The socket is not connected. */
struct flood {
	union address first;
	uint32_t tenants, size, next;
	int fd;
};

static void flood(struct flood *flood)
{
	static const char data[64];

	for (uint32_t i = 0; i < flood->size; i++) {
		uint32_t n = flood->next++;
		union address to = tenant_address(&flood->first, n % flood->tenants);
		in_port_t port = htons(1024 + n / flood->tenants % 64000);

		/* Of both families at the same place. */
		to.v4.sin_port = port;
		if (sendto(flood->fd, data, sizeof(data), 0, &to.any, length(&to)) < 0)
			err(1, "packet %u of the flood is not sent", n);
	}
	/* What RCU frees of it later is not what the next packets cost. */
	usleep(20000);
}

/* Returns how many nanoseconds it took. */
static uint64_t run(const struct job *job, uint32_t packets)
{
	static char data[65536], got[65536];
	uint64_t spent = 0;

	for (uint32_t i = 0; i < packets;) {
		uint32_t end = i + job->turn < packets ? i + job->turn : packets;
		uint64_t start = now();

		mark_start();
		for (; i < end; i++) {
			if (send(job->out[job->order[i]], data, job->size, 0) < 0)
				err(1, "packet %u is not sent", i);
			if (job->in >= 0 && recv(job->in, got, sizeof(got), 0) < 0)
				err(1, "packet %u does not arrive", i);
		}
		mark_stop();
		spent += now() - start;
		if (job->flood)
			flood(job->flood);
	}
	return spent;
}

static void usage(void)
{
	fprintf(stderr, "udp clock\n"
		"udp [-f FLOOD] [-i NETNS] [-n PACKETS] [-r ROUNDS] [-s SIZE] [-t TENANTS] [-w ROUNDS] [-z] NETNS ADDRESS\n");
	exit(2);
}

int main(int argc, char **argv)
{
	uint32_t packets = 2000, rounds = 5, tenants = 1, warm = 1;
	struct job job = { .in = -1, .size = 64 };
	struct flood flooding = { .size = 0 };
	const char *receiving = NULL;
	union address first;
	bool zipf = false;
	int option;

	if (argc == 2 && !strcmp(argv[1], "clock")) {
		puts(clock_counts_instructions() ? "instructions" : "nanoseconds");
		return 0;
	}
	while ((option = getopt(argc, argv, "f:i:n:r:s:t:w:z")) != -1) {
		switch (option) {
		case 'f':
			flooding.size = atoi(optarg);
			break;
		case 'i':
			receiving = optarg;
			break;
		case 'n':
			packets = atoi(optarg);
			break;
		case 'r':
			rounds = atoi(optarg);
			break;
		case 's':
			job.size = atoi(optarg);
			break;
		case 't':
			tenants = atoi(optarg);
			break;
		case 'w':
			warm = atoi(optarg);
			break;
		case 'z':
			zipf = true;
			break;
		default:
			usage();
		}
	}
	if (argc - optind != 2 || !tenants || !packets || job.size > 65507)
		usage();
	parse(argv[optind + 1], &first);
	stay_here();

	if (receiving) {
		enter(receiving);
		job.in = receiver(&first);
	}
	enter(argv[optind]);
	job.out = connect_all(&first, tenants);
	job.order = order(tenants, packets, zipf);
	job.turn = packets;
	if (flooding.size) {
		flooding.first = first;
		flooding.tenants = tenants;
		flooding.fd = socket(first.any.sa_family, SOCK_DGRAM, 0);
		if (flooding.fd < 0)
			err(1, "socket of the flood");
		job.turn = tenants;
		job.flood = &flooding;
	}

	for (uint32_t i = 0; i < warm; i++)
		run(&job, packets);
	for (uint32_t i = 0; i < rounds; i++)
		printf("%.1f\n", (double)run(&job, packets) / packets);
	return 0;
}
