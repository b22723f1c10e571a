/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What must hold: after each change the next packet of every flow is where a fresh look-up sends it.
 *
 * The world "warm" has flows that never pause, so that a driver remembers what it knows of them. In its twin
 * "fresh", where the same changes are made, each packet has a port that none had before, so that nothing can
 * be known of it; nothing else tells the ports apart. Both send the same number of packets, so states that
 * count them agree, too.
 */
#ifndef FUZZ_CHANGES_ORACLE_H
#define FUZZ_CHANGES_ORACLE_H

#include "fuzz-changes-grammar.h"
#include "fuzz-changes-time.h"
#include "fuzz-changes-world.h"
#include "fuzz-changes-xfrm.h"

#include <linux/filter.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/membarrier.h>
#include <stddef.h>
#include <sys/syscall.h>

/* Where a packet went, as the wire shows it. */
struct outcome {
	uint8_t left, depth;		/* how often; through how many transforms */
	uint8_t family, fragment;
	uint32_t ifindex, spi[4];
	uint8_t ethernet[12], from[16], to[16];
};

/*
 * What can't be compressed, so that it can be read: deflate writes the bytes from 0x90 on with nine bits. Where there
 * are IPv6 headers around a small one it is compressed all the same; but nowhere does it depend on a port.
 */
struct payload {
	uint64_t magic;
	uint32_t step;
	uint32_t flow;
	/* For packets that near the MTU. */
	uint8_t noise[1280];
};

#define MAGIC 0xf59abad2edc3d8a7
#define LARGE_BYTES 0xd7b3e9c1
#define SNAP 256
#define SMALL offsetof(struct payload, noise[16])

struct oracle {
	struct world warm, fresh;
	struct outcome outcomes[2][FLOWS], before[FLOWS];
	/* Of the fresh world: how often an outcome was another one than before. */
	unsigned long changed;
	int left;
	uint32_t step;
	/* What both have answered to the change, and the first flow that differs, or -1. */
	int errors[2], differs;
};

/* Opens a socket in the present namespace that sees what leaves by one of the two underlays. */
static int capture_open(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_PKTTYPE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_IFINDEX),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, U1, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, U2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SNAP),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { ARRAY_SIZE(code), code };
	struct sockaddr_ll all = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), size = 1 << 20;

	if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) ||
	    bind(sock, (struct sockaddr *)&all, sizeof(all)))
		err(1, "capture");
	setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return sock;
}

/*
 * Reads the outermost header, and the transforms down to the inner packet; all is plain to see, as the ciphers
 * are null ones. What is in ESP is an IP packet, ESP again, or UDP; their first numbers do not look alike.
 */
static void read_frame(struct outcome *o, const uint8_t *frame, uint32_t len)
{
	const uint8_t *at = frame + ETH_HLEN, *end = frame + len;
	uint8_t protocol = 0;
	uint32_t spi;

	memset(o, 0, sizeof(*o));
	memcpy(o->ethernet, frame, sizeof(o->ethernet));
	o->family = *at >> 4;
	if (o->family == 6) {
		memcpy(o->from, at + 8, 16);
		memcpy(o->to, at + 24, 16);
	} else {
		memcpy(o->from, at + 12, 4);
		memcpy(o->to, at + 16, 4);
		o->fragment = at[6] & 0x3f || at[7];
	}
	while (at + 48 < end && o->depth < ARRAY_SIZE(o->spi)) {
		switch (*at >> 4) {
		case 4:
			protocol = at[9];
			at += 20;
			break;
		case 6:
			protocol = at[6];
			at += 40;
			break;
		}
		if (protocol != IPPROTO_ESP)
			return;
		memcpy(&spi, at, sizeof(spi));
		spi = ntohl(spi);
		/* A transport inside has none of them. */
		if (spi < SPI_FIRST || spi > SPI_LAST)
			return;
		o->spi[o->depth++] = spi;
		at += 8;
	}
}

/* Reads what was captured; packets that are none of this step are left out. */
static void read_captured(struct world *w, struct outcome *outcomes, uint32_t step)
{
	static uint8_t frames[32][SNAP];
	struct sockaddr_ll from[32];
	struct mmsghdr messages[32];
	struct iovec iov[32];
	uint64_t magic = MAGIC;
	int n;

	do {
		for (int i = 0; i < 32; i++) {
			iov[i] = (struct iovec){ frames[i], SNAP };
			messages[i].msg_hdr = (struct msghdr){
				.msg_iov = &iov[i], .msg_iovlen = 1, .msg_name = &from[i], .msg_namelen = sizeof(from[i]),
			};
		}
		n = recvmmsg(w->capture, messages, 32, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n && outcomes; i++) {
			uint32_t len = messages[i].msg_len;
			const uint8_t *found = memmem(frames[i], len, &magic, sizeof(magic));
			struct outcome *o;
			uint32_t numbers[2];
			uint8_t before;

			if (!found || found + SMALL > frames[i] + len)
				continue;
			memcpy(numbers, found + sizeof(magic), sizeof(numbers));
			numbers[1] ^= LARGE_BYTES;
			if (numbers[0] != (step ^ LARGE_BYTES) || numbers[1] >= FLOWS)
				continue;
			o = &outcomes[numbers[1]];
			before = o->left;
			read_frame(o, frames[i], len);
			o->ifindex = from[i].sll_ifindex;
			o->left = before + 1;
		}
	} while (n == 32);
}

/* Sends a packet of each flow, and sees where they went: with the port that it always has, or a new one. */
static void send_all(struct world *w, bool new_port, struct outcome *outcomes, uint32_t step)
{
	static struct payload payload = { .magic = MAGIC };
	static uint32_t fresh_port;
	/* Every fifth time they are large. */
	size_t len = step % 5 == 4 ? sizeof(payload) : SMALL;

	if (!payload.noise[0]) {
		uint32_t noise = 1;

		for (size_t i = 0; i < sizeof(payload.noise); i++) {
			noise = noise * 1664525 + 1013904223;
			payload.noise[i] = noise >> 24 | (i < 16 ? 0x90 : 0);
		}
	}
	if (new_port)
		fresh_port++;
	memset(outcomes, 0, FLOWS * sizeof(*outcomes));
	payload.step = step ^ LARGE_BYTES;
	for (int flow = 0; flow < FLOWS; flow++) {
		uint16_t port = htons(new_port ? 10000 + fresh_port % 50000 : 9);
		struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = port };
		struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = port };

		payload.flow = flow ^ LARGE_BYTES;
		if (SIX_OF(flow)) {
			to_address(&v6.sin6_addr, true, destination(flow));
			sendto(w->senders[place_of(w, flow)][flow], &payload, len, MSG_DONTWAIT, (struct sockaddr *)&v6, sizeof(v6));
		} else {
			inet_pton(AF_INET, destination(flow), &v4.sin_addr);
			sendto(w->senders[place_of(w, flow)][flow], &payload, len, MSG_DONTWAIT, (struct sockaddr *)&v4, sizeof(v4));
		}
	}
	read_captured(w, outcomes, step);
}

/*
 * Whether packets went the same way. Those in the clear have not been sent by a device with its states; by which
 * underlay they go may depend on their ports (fib_multipath_hash_policy).
 */
static bool same(const struct outcome *a, const struct outcome *b)
{
	if (a->left && b->left && !a->depth && !b->depth)
		return true;
	return !memcmp(a, b, sizeof(*a));
}

/* Sends once in each world, and compares. */
static bool compare(struct oracle *o)
{
	wait_for_timers();
	o->step++;
	memcpy(o->before, o->outcomes[1], sizeof(o->before));
	send_all(&o->warm, false, o->outcomes[0], o->step);
	send_all(&o->fresh, true, o->outcomes[1], o->step);
	o->differs = -1;
	o->left = 0;
	for (int flow = FLOWS - 1; flow >= 0; flow--) {
		if (!same(&o->outcomes[0][flow], &o->outcomes[1][flow]))
			o->differs = flow;
		o->changed += !!memcmp(&o->before[flow], &o->outcomes[1][flow], sizeof(struct outcome));
		o->left += o->outcomes[1][flow].left;
	}
	return o->differs < 0;
}

/*
 * After a difference: whether a look-up in the warm world itself finds what the flows there do. Then nothing is
 * remembered wrongly, but the worlds have become different ones. Of states that are as good as each other the first is
 * taken, for example, and their order is turned round when their table grows, which happens when the kernel finds time.
 */
static bool worlds_differ(struct oracle *o)
{
	struct outcome afresh[FLOWS];

	if (o->errors[0] != o->errors[1])
		return false;
	wait_for_timers();
	o->step++;
	send_all(&o->warm, false, o->outcomes[0], o->step);
	send_all(&o->warm, true, afresh, o->step);
	for (int flow = 0; flow < FLOWS; flow++)
		if (!same(&o->outcomes[0][flow], &afresh[flow]))
			return false;
	return true;
}

static int do_dwell(struct world *w, const uint8_t *a)
{
	return 0;
}

/* Flows go on for longer than a state may live by the grammar; what they meet on the way is not looked at. */
static void dwell(struct oracle *o)
{
	for (int i = 0; i < 60; i++) {
		usleep(20000);
		compare(o);
	}
}

/*
 * Lets a driver get to know the flows again. Ours remembers nothing until a grace period after a change of IPv6;
 * packets of before would only show that what is not known is right.
 */
static bool settle(struct oracle *o)
{
	if (syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		err(1, "membarrier");
	return compare(o);
}

/* Makes a change in both worlds. Whether that was in one second. */
static bool apply_both(struct oracle *o, const struct change *change)
{
	int64_t began;

	do
		wait_for_timers();
	while (same_second((change->verb->apply == do_restore ? 300 : 50) * MILLISECOND));
	began = second();
	o->errors[0] = change->verb->apply(&o->warm, change->args);
	o->errors[1] = change->verb->apply(&o->fresh, change->args);
	await_growth(&o->warm);
	await_growth(&o->fresh);
	return second() == began;
}

/* Makes both worlds what they begin with, as of one second. */
static void restore_both(struct oracle *o)
{
	struct change change = the_change(do_restore);

	/* A machine that is too slow for that is not waited for. */
	for (int i = 0; i < 20 && !apply_both(o, &change); i++)
		;
}

/* Makes a change in both worlds. Whether all is as it must be. */
static bool change_both(struct oracle *o, const struct change *change)
{
	if (change->verb->apply == do_dwell)
		dwell(o);
	else if (!apply_both(o, change))
		restore_both(o);
	read_captured(&o->warm, NULL, 0);
	read_captured(&o->fresh, NULL, 0);
	return compare(o) && o->errors[0] == o->errors[1] && settle(o);
}

static void oracle_open(struct oracle *o)
{
	memset(o, 0, sizeof(*o));
	do_cpu(NULL, (uint8_t[]){ 0 });
	world_open(&o->warm, false);
	world_open(&o->fresh, true);
	restore_both(o);
	/* What is met twice is remembered, and large packets have learnt what they may. */
	for (int i = 0; i < 5; i++)
		compare(o);
	settle(o);
	o->changed = 0;
	if (o->left < FLOWS - 1)
		errx(1, "of %d flows %d work in a new world", FLOWS, o->left);
}

static void oracle_close(struct oracle *o)
{
	world_close(&o->warm);
	world_close(&o->fresh);
}

static const char *outcome_text(const struct outcome *o)
{
	static char texts[2][200];
	static int turn;
	char to[INET6_ADDRSTRLEN], *text = texts[turn = !turn];
	int len;

	if (!o->left)
		return "does not leave";
	inet_ntop(o->family == 6 ? AF_INET6 : AF_INET, o->to, to, sizeof(to));
	len = sprintf(text, "leaves by u%u to %s at %02x:%02x", o->ifindex - U1 + 1, to, o->ethernet[4], o->ethernet[5]);
	for (int i = 0; i < o->depth; i++)
		len += sprintf(text + len, ", state 0x%x", o->spi[i]);
	if (!o->depth)
		len += sprintf(text + len, ", in the clear");
	if (o->fragment)
		len += sprintf(text + len, ", in fragments");
	if (o->left > 1)
		sprintf(text + len, ", %d times", o->left);
	return text;
}

static void print_difference(const struct oracle *o)
{
	int count = 0;

	if (o->errors[0] != o->errors[1])
		printf("#   the worlds answer %s and %s\n", o->errors[0] ? strerrorname_np(o->errors[0]) : "ok",
		       o->errors[1] ? strerrorname_np(o->errors[1]) : "ok");
	for (int flow = 0; flow < FLOWS; flow++) {
		const struct outcome *warm = &o->outcomes[0][flow], *fresh = &o->outcomes[1][flow];
		int c = CONNECTION_OF(flow);

		if (same(warm, fresh) || count++ >= 4)
			continue;
		printf("#   IPv%d, %s device%s, if_id %u: it %s;", SIX_OF(flow) ? 6 : 4,
		       EXTERNAL_OF(flow) ? "external" : "static",
		       place_of(&o->warm, flow) == INNER ? " in another namespace" : "", if_ids[c],
		       outcome_text(warm));
		printf(" afresh it %s\n", outcome_text(fresh));
	}
	if (count > 4)
		printf("#   and %d more flows\n", count - 4);
}

#endif
