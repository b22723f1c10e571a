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
 *
 * With -c, several processors send in turn, a packet each to the same tenant, from a socket each.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
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

#include "marks.h"
#include "net.h"

/* A loop of two instructions a turn. No processor takes one nanosecond for each of them. */
static bool clock_counts_instructions(void)
{
	const uint64_t turns = 10000000;
	uint64_t left = turns, start = now(), spent;

	asm volatile("1: dec %0; jnz 1b" : "+r"(left) : : "cc");
	spent = now() - start;
	return spent > turns * 2 * 0.99 && spent < turns * 2 * 1.01;
}

/* Packets that are on their way stay on the processor that they were sent on. */
static void stay_on(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "processor %u", cpu);
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

/*
 * Sockets to each tenant from each processor, connected, as a socket that is not has no place to
 * keep its route.
 */
static int *connect_all(const union address *first, uint32_t tenants, uint32_t cpus)
{
	uint32_t count = tenants * cpus;
	int *sockets = calloc(count, sizeof(*sockets));
	struct rlimit limit = { count + 100, count + 100 };
	int yes = 1;

	if (!sockets || setrlimit(RLIMIT_NOFILE, &limit))
		err(1, "%u sockets", count);
	for (uint32_t i = 0; i < count; i++) {
		union address a = tenant_address(first, i % tenants);

		sockets[i] = socket(a.any.sa_family, SOCK_DGRAM, 0);
		/* There may be more of them than ports. */
		if (sockets[i] < 0 ||
		    setsockopt(sockets[i], SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
		    connect(sockets[i], &a.any, length(&a)))
			err(1, "socket %u", i);
	}
	return sockets;
}

static int receiver(const union address *first)
{
	union address a = any_address(first);
	struct timeval patience = { .tv_sec = 1 };
	int fd;

	fd = socket(a.any.sa_family, SOCK_DGRAM, 0);
	if (fd < 0 || bind(fd, &a.any, length(&a)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		err(1, "socket of the receiver");
	return fd;
}

struct job {
	const int *out;
	const uint32_t *order;
	uint32_t tenants, packets, cpus;
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

/* How many packets have been sent, of all rounds. The next one is that of processor turn % cpus. */
static _Atomic uint64_t turn;

static void wait_for(uint64_t packet)
{
	while (atomic_load(&turn) != packet)
		__builtin_ia32_pause();
}

static void send_packet(const struct job *job, uint64_t packet)
{
	static const char data[65536];
	static char got[65536];
	uint32_t cpu = packet % job->cpus, i = packet % job->packets;

	wait_for(packet);
	if (send(job->out[cpu * job->tenants + job->order[i / job->cpus]], data, job->size, 0) < 0)
		err(1, "packet %u is not sent", i);
	if (job->in >= 0 && recv(job->in, got, sizeof(got), 0) < 0)
		err(1, "packet %u does not arrive", i);
	atomic_store(&turn, packet + 1);
}

struct helper {
	const struct job *job;
	uint32_t cpu;
};

/* What processors do but for the first one, which waits for them at the end of each round. */
static void *help(void *argument)
{
	const struct helper *helper = argument;

	stay_on(helper->cpu);
	for (uint64_t packet = helper->cpu;; packet += helper->job->cpus)
		send_packet(helper->job, packet);
	return NULL;
}

static void start_helpers(const struct job *job)
{
	struct helper *helpers = calloc(job->cpus, sizeof(*helpers));
	pthread_t thread;

	for (uint32_t i = 1; i < job->cpus; i++) {
		helpers[i] = (struct helper) { job, i };
		if (pthread_create(&thread, NULL, help, &helpers[i]))
			errx(1, "no thread for processor %u", i);
	}
}

/* Returns how many nanoseconds it took. Plugins see the rounds that count. */
static uint64_t run(const struct job *job, bool counts)
{
	uint64_t first = turn, spent = 0;

	for (uint32_t i = 0; i < job->packets;) {
		uint32_t end = i + job->turn < job->packets ? i + job->turn : job->packets;
		uint64_t start = now();

		if (counts)
			mark(MARK_START);
		for (; i < end; i += job->cpus)
			send_packet(job, first + i);
		wait_for(first + i);
		if (counts)
			mark(MARK_STOP);
		spent += now() - start;
		if (job->flood)
			flood(job->flood);
	}
	return spent;
}

static void usage(void)
{
	fprintf(stderr, "udp clock\n"
		"udp [-c CPUS] [-f FLOOD] [-i NETNS] [-n PACKETS] [-r ROUNDS] [-s SIZE] [-t TENANTS] [-w ROUNDS] [-z] NETNS ADDRESS\n");
	exit(2);
}

int main(int argc, char **argv)
{
	struct job job = { .in = -1, .size = 64, .packets = 2000, .tenants = 1, .cpus = 1 };
	uint32_t rounds = 5, warm = 1;
	struct flood flooding = { .size = 0 };
	const char *receiving = NULL;
	union address first;
	bool zipf = false;
	int option;

	if (argc == 2 && !strcmp(argv[1], "clock")) {
		puts(clock_counts_instructions() ? "instructions" : "nanoseconds");
		return 0;
	}
	while ((option = getopt(argc, argv, "c:f:i:n:r:s:t:w:z")) != -1) {
		switch (option) {
		case 'c':
			job.cpus = atoi(optarg);
			break;
		case 'f':
			flooding.size = atoi(optarg);
			break;
		case 'i':
			receiving = optarg;
			break;
		case 'n':
			job.packets = atoi(optarg);
			break;
		case 'r':
			rounds = atoi(optarg);
			break;
		case 's':
			job.size = atoi(optarg);
			break;
		case 't':
			job.tenants = atoi(optarg);
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
	if (argc - optind != 2 || !job.tenants || !job.packets || !job.cpus ||
	    job.packets % job.cpus || (flooding.size && job.cpus > 1) || job.size > 65507)
		usage();
	parse(argv[optind + 1], &first);
	/* Where it is, unless others have places, too. */
	stay_on(job.cpus == 1 ? sched_getcpu() : 0);

	if (receiving) {
		enter(receiving);
		job.in = receiver(&first);
	}
	enter(argv[optind]);
	job.out = connect_all(&first, job.tenants, job.cpus);
	job.order = order(job.tenants, job.packets, zipf);
	job.turn = job.packets;
	if (flooding.size) {
		flooding.first = first;
		flooding.tenants = job.tenants;
		flooding.fd = socket(first.any.sa_family, SOCK_DGRAM, 0);
		if (flooding.fd < 0)
			err(1, "socket of the flood");
		job.turn = job.tenants;
		job.flood = &flooding;
	}

	start_helpers(&job);
	for (uint32_t i = 1; i < warm; i++)
		run(&job, false);
	mark(MARK_WATCH);
	if (warm)
		run(&job, false);
	for (uint32_t i = 0; i < rounds; i++)
		printf("%.1f\n", (double)run(&job, true) / job.packets);
	mark(MARK_REST);
	return 0;
}
