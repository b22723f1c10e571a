// SPDX-License-Identifier: GPL-2.0
/*
 * Packets as no host should send them, into the driver's ways of receiving and transmitting.
 *
 *	fuzz-packets run SEED COUNT WIRE RECEIVER SENDER	sends so many
 *	fuzz-packets print SEED COUNT				prints them as a file of cases has them
 *	fuzz-packets replay WIRE RECEIVER SENDER -- FILE...	sends those of files
 *
 * The namespaces are those of fuzz-packets.sh, which draws them. Packets are built layer by layer,
 * each of which may be wrong, and then damaged. The states of the receiver have null ciphers, so
 * that what is wrong inside gets past them.
 *
 * A case is the name of a target and the bytes for it: a frame; for those with "gso" in their name,
 * a struct virtio_net_hdr before it; for devices of the sender, before all of that the protocol.
 */
#include "generate.h"
#include "targets.h"

/* Calls done for each batch of packets for one target. */
static void chunk(uint64_t seed, uint32_t count, void (*done)(struct packet packets[], enum target target, uint32_t n))
{
	static const enum target often[] = {
		FRAME, FRAME, FRAME, FRAME, FRAME, FRAME, FRAME_GSO, TAP, EXACT, EXACT, STATIC, STATIC, EXTERNAL,
		METADATA,
	};
	static struct packet packets[BATCH];
	uint32_t n;

	fuzz_seed(seed);
	while (count) {
		enum target target = pick(often);

		for (n = 0; n < BATCH && n < count; n++)
			generate(&packets[n], target);
		done(packets, target, n);
		count -= n;
	}
}

static void print_packets(struct packet packets[], enum target target, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		printf("%s ", names[target]);
		print_bytes(packets[i].bytes, packets[i].len);
	}
}

static void replay(const char *name)
{
	static struct packet packet;
	FILE *file = fopen(name, "re");
	char word[32];
	ssize_t len;
	int target;

	if (!file)
		err(1, "%s", name);
	while ((len = read_case(file, word, sizeof(word), packet.bytes, PACKET_SIZE)) >= 0) {
		packet.len = len;
		for (target = 0; target < TARGETS && strcmp(word, names[target]); target++)
			;
		if (target == TARGETS || packet.len <= before(target))
			errx(1, "%s: not a case for %s", name, word);
		/* Frames are for whom they find. */
		if (target < EXACT && packet.len >= before(target) + 6)
			memcpy(packet.bytes + before(target), target == TAP ? to_tap : to_receiver, 6);
		send_packets(&packet, target, 1);
	}
	fclose(file);
}

static void report(void)
{
	int i;

	printf("sent=%lu", sent);
	for (i = 0; i < TARGETS; i++)
		printf(" %s=%lu", names[i], accepted[i]);
	putchar('\n');
}

int main(int argc, char *argv[])
{
	unsigned long known = complaints();

	if (argc == 4 && !strcmp(argv[1], "print")) {
		chunk(strtoull(argv[2], NULL, 0), strtoul(argv[3], NULL, 0), print_packets);
		return 0;
	}
	if (argc == 7 && !strcmp(argv[1], "run")) {
		prepare(argv + 4);
		chunk(strtoull(argv[2], NULL, 0), strtoul(argv[3], NULL, 0), send_packets);
	} else if (argc >= 6 && !strcmp(argv[1], "replay") && !strcmp(argv[5], "--")) {
		prepare(argv + 2);
		for (argv += 6; *argv; argv++)
			replay(*argv);
	} else {
		errx(2, "usage: fuzz-packets run SEED COUNT WIRE RECEIVER SENDER | print SEED COUNT | replay WIRE RECEIVER SENDER -- FILE...");
	}
	/* What waits in a queue is handled meanwhile. */
	usleep(100000);
	report();
	if (complaints() != known)
		errx(1, "the kernel complained");
	return 0;
}
