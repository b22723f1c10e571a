// SPDX-License-Identifier: GPL-2.0
#include "growth.h"
#include "capture.h"
#include "grammar.h"

#include <arpa/inet.h>
#include <linux/xfrm.h>
#include <sched.h>
#include <sys/socket.h>

/* The change is refused when there are so many. */
#define MOST_PLACES 2048

struct table {
	uint32_t states, places;
};

static struct table table_of(struct world *w)
{
	static uint8_t buffer[256] __attribute__((aligned(4)));
	struct nlmsghdr *answer = (struct nlmsghdr *)buffer;
	uint32_t flags = 0;
	struct message m;
	struct table table;

	message_begin(&m, XFRM_MSG_GETSADINFO, 0);
	message_add(&m, &flags, sizeof(flags));
	message_end(&m);
	if (send(w->xfrm, m.bytes, m.len, 0) != (ssize_t)m.len || recv(w->xfrm, buffer, sizeof(buffer), 0) < 0)
		err(1, "the number of states");
	if (!number(attributes(answer, sizeof(flags)), XFRMA_SAD_CNT, &table.states) ||
	    !number(attributes(answer, sizeof(flags)), XFRMA_SAD_HINFO, &table.places))
		errx(1, "there is no number of states");
	return table;
}

/* Adds a state that no flow could use. All of them share a place: without that no table grows. */
static void add_filler(struct world *w)
{
	static uint32_t spi = 0x100000;
	struct xfrm_usersa_info info = {
		.id = { .spi = htonl(spi++), .proto = IPPROTO_ESP }, .family = AF_INET, .mode = XFRM_MODE_TUNNEL,
		.lft = {
			.soft_byte_limit = XFRM_INF, .hard_byte_limit = XFRM_INF,
			.soft_packet_limit = XFRM_INF, .hard_packet_limit = XFRM_INF,
		},
	};
	struct xfrm_algo crypt = { .alg_name = "ecb(cipher_null)" }, auth = { .alg_name = "digest_null" };
	struct message m;

	to_address(&info.id.daddr, false, "198.18.0.2");
	to_address(&info.saddr, false, "198.18.0.1");
	message_begin(&m, XFRM_MSG_NEWSA, 0);
	message_add(&m, &info, sizeof(info));
	put(&m, XFRMA_ALG_CRYPT, &crypt, sizeof(crypt));
	put(&m, XFRMA_ALG_AUTH, &auth, sizeof(auth));
	put_u32(&m, XFRMA_IF_ID, 0xffffff);
	if (request(w->xfrm, &m))
		errx(1, "a state that fills the table is refused");
}

static void await_growth(struct world *w, uint32_t places)
{
	for (int i = 0; table_of(w).places == places; i++) {
		if (i == 2000)
			errx(1, "the table of states does not grow");
		usleep(1000);
	}
}

/* Makes it a table of so many places. */
void grow_table(struct world *w, uint32_t to)
{
	struct table table;

	while (table = table_of(w), table.places < to) {
		add_filler(w);
		if (table.states + 1 >= table.places)
			await_growth(w, table.places);
	}
}

/* While this is on, nothing else runs on this CPU. */
static void alone(bool on)
{
	struct sched_param priority = { .sched_priority = on };

	if (sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &priority))
		err(1, "sched_setscheduler");
}

/*
 * Lets the table grow when flows have already met what was added: it is on the CPU that added a
 * state too many that it grows.
 */
int do_growth(struct world *w, const uint8_t *a)
{
	struct outcome outcomes[FLOWS];
	struct table table = table_of(w);
	uint32_t places = table.places;

	if (places >= MOST_PLACES)
		return ENOSPC;
	for (; table.states + 1 < places; table = table_of(w))
		add_filler(w);
	alone(true);
	add_filler(w);
	for (int i = 0; i < 3; i++)
		send_all(w, w->fresh, outcomes, 0);
	alone(false);
	await_growth(w, places);
	return 0;
}
