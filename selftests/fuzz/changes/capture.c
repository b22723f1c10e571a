// SPDX-License-Identifier: GPL-2.0
#include "capture.h"
#include "xfrm.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stddef.h>
#include <sys/socket.h>

/*
 * What can't be compressed, so that it can be read: deflate writes the bytes from 0x90 on with nine
 * bits. Where there are IPv6 headers around a small one it is compressed all the same; but nowhere
 * does it depend on a port.
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

/* Opens a socket in the present namespace that sees what leaves by one of the two underlays. */
int capture_open(void)
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
 * Reads the outermost header, and the transforms down to the inner packet; all is plain to see, as
 * the ciphers are null ones. What is in ESP is an IP packet, ESP again, or UDP; their first numbers
 * do not look alike.
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
void read_captured(struct world *w, struct outcome *outcomes, uint32_t step)
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
void send_all(struct world *w, bool new_port, struct outcome *outcomes, uint32_t step)
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
