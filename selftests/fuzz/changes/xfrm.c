// SPDX-License-Identifier: GPL-2.0
/*
 * Changes of policies and states.
 *
 * A connection's states are told apart by kind and number, and so are their SPIs. A policy's
 * templates name kinds, by reqid: "esp" is one tunnel, "second" another one, "twice" a tunnel in a
 * transport, "comp" a compressed tunnel in one.
 */
#include "xfrm.h"
#include "grammar.h"
#include "timing.h"

#include <arpa/inet.h>
#include <linux/xfrm.h>
#include <sys/socket.h>

/* Younger than the headers of some distributions. */
#ifndef XFRM_MSG_MIGRATE_STATE
#define XFRM_MSG_MIGRATE_STATE (XFRM_MSG_GETDEFAULT + 1)
struct xfrm_user_migrate_state {
	struct xfrm_usersa_id id;
	xfrm_address_t new_daddr;
	xfrm_address_t new_saddr;
	struct xfrm_mark old_mark;
	struct xfrm_selector new_sel;
	__u32 new_reqid;
	__u32 flags;
	__u16 new_family;
	__u16 reserved;
};
#endif
#define ATTR_SA_DIR 33
#define ATTR_SA_PCPU 35

enum { KIND_TUNNEL, KIND_SECOND, KIND_TRANSPORT, KIND_COMP };
enum { TMPL_ESP, TMPL_SECOND, TMPL_TWICE, TMPL_COMP, TMPL_NONE };
enum { LIMIT_NONE, SOFT_PACKETS, HARD_PACKETS, SOFT_TIME, HARD_TIME };
enum { ANY };

static uint32_t spi_of(int connection, int kind, int number)
{
	return SPI_FIRST + connection * 0x100 + kind * 0x10 + number;
}

static uint32_t reqid_of(int connection, int kind)
{
	return 10 * (connection + 1) + kind;
}

static uint8_t protocol_of(int kind)
{
	return kind == KIND_COMP ? IPPROTO_COMP : IPPROTO_ESP;
}

static void put_mark(struct message *m, int mark)
{
	struct xfrm_mark value = { .v = mark - 1, .m = 0xf };

	if (mark != ANY)
		put(m, XFRMA_MARK, &value, sizeof(value));
}

static struct xfrm_selector selector(bool six, int which)
{
	struct xfrm_selector sel = { .family = family_of(six) };

	switch (which) {
	case 1:
		to_address(&sel.daddr, six, six ? "fd00:1::" : "10.1.0.0");
		sel.prefixlen_d = six ? 32 : 16;
		break;
	case 2:
		sel.sport = htons(SOURCE_PORT);
		sel.sport_mask = 0xffff;
		sel.proto = IPPROTO_UDP;
		break;
	case 3:
		sel.proto = IPPROTO_UDP;
		break;
	case 4:
		sel.proto = IPPROTO_TCP;
		break;
	}
	return sel;
}

static struct xfrm_lifetime_cfg lifetime(int limit)
{
	struct xfrm_lifetime_cfg lft = {
		.soft_byte_limit = XFRM_INF, .hard_byte_limit = XFRM_INF,
		.soft_packet_limit = limit == SOFT_PACKETS ? 3 : XFRM_INF,
		.hard_packet_limit = limit == HARD_PACKETS ? 3 : XFRM_INF,
		.soft_add_expires_seconds = limit == SOFT_TIME,
		.hard_add_expires_seconds = limit == HARD_TIME,
	};

	return lft;
}

static uint32_t templates(struct xfrm_user_tmpl *to, int connection, int which)
{
	static const int8_t kinds_of[][2] = {
		[TMPL_ESP] = { KIND_TUNNEL, -1 }, [TMPL_SECOND] = { KIND_SECOND, -1 },
		[TMPL_TWICE] = { KIND_TUNNEL, KIND_TRANSPORT }, [TMPL_COMP] = { KIND_COMP, KIND_TRANSPORT },
		[TMPL_NONE] = { -1, -1 },
	};
	bool six = OUTER_SIX(connection);
	uint32_t n = 0;

	for (; n < 2 && kinds_of[which][n] >= 0; n++) {
		int kind = kinds_of[which][n];

		to[n] = (struct xfrm_user_tmpl){
			.id.proto = protocol_of(kind), .family = family_of(six), .reqid = reqid_of(connection, kind),
			.mode = kind == KIND_TRANSPORT ? XFRM_MODE_TRANSPORT : XFRM_MODE_TUNNEL,
			.aalgos = ~0, .ealgos = ~0, .calgos = ~0,
		};
		to_address(&to[n].id.daddr, six, peer_address[six]);
		to_address(&to[n].saddr, six, local_address[six]);
	}
	return n;
}

/* The directions are drawn with "out" first. */
static const uint8_t directions[] = { XFRM_POLICY_OUT, XFRM_POLICY_IN, XFRM_POLICY_FWD };

static void put_ptype(struct message *m, int sub)
{
	struct xfrm_userpolicy_type type = { .type = sub ? XFRM_POLICY_TYPE_SUB : XFRM_POLICY_TYPE_MAIN };

	put(m, XFRMA_POLICY_TYPE, &type, sizeof(type));
}

static int policy(struct world *w, int dir, int connection, bool six, int sel, uint32_t priority, int sub, int mark,
		  bool block, int tmpl)
{
	struct xfrm_userpolicy_info info = {
		.sel = selector(six, sel), .lft = lifetime(LIMIT_NONE), .priority = priority, .dir = directions[dir],
		.action = block ? XFRM_POLICY_BLOCK : XFRM_POLICY_ALLOW,
	};
	struct xfrm_user_tmpl tmpls[2];
	struct message m;
	uint32_t n = templates(tmpls, connection, tmpl);

	message_begin(&m, XFRM_MSG_UPDPOLICY, 0);
	message_add(&m, &info, sizeof(info));
	if (n)
		put(&m, XFRMA_TMPL, tmpls, n * sizeof(tmpls[0]));
	put_ptype(&m, sub);
	put_mark(&m, mark);
	put_u32(&m, XFRMA_IF_ID, if_ids[connection]);
	return request(w->xfrm, &m);
}

int do_policy_update(struct world *w, const uint8_t *a)
{
	static const uint32_t priorities[] = { 1, 500, 1000, 2000 };

	return policy(w, a[0], a[1], a[2], a[3], priorities[a[4]], a[5], a[6], a[7], a[8]);
}

int do_policy_delete(struct world *w, const uint8_t *a)
{
	struct xfrm_userpolicy_id id = { .sel = selector(a[2], a[3]), .dir = directions[a[0]] };
	struct message m;

	message_begin(&m, XFRM_MSG_DELPOLICY, 0);
	message_add(&m, &id, sizeof(id));
	put_ptype(&m, a[4]);
	put_mark(&m, a[5]);
	put_u32(&m, XFRMA_IF_ID, if_ids[a[1]]);
	return request(w->xfrm, &m);
}

int do_policy_flush(struct world *w, const uint8_t *a)
{
	struct message m;

	message_begin(&m, XFRM_MSG_FLUSHPOLICY, 0);
	put_ptype(&m, a[0]);
	return request(w->xfrm, &m);
}

int do_policy_default(struct world *w, const uint8_t *a)
{
	struct xfrm_userpolicy_default def = {
		.in = XFRM_USERPOLICY_ACCEPT, .fwd = XFRM_USERPOLICY_ACCEPT,
		.out = a[0] ? XFRM_USERPOLICY_BLOCK : XFRM_USERPOLICY_ACCEPT,
	};
	struct message m;

	message_begin(&m, XFRM_MSG_SETDEFAULT, 0);
	message_add(&m, &def, sizeof(def));
	return request(w->xfrm, &m);
}

/* A policy and its states get another peer. */
int do_policy_migrate(struct world *w, const uint8_t *a)
{
	bool six = OUTER_SIX(a[0]);
	const char *from = a[2] ? peer_address[six] : elsewhere_address[six];
	const char *to = a[2] ? elsewhere_address[six] : peer_address[six];
	struct xfrm_userpolicy_id id = { .sel = selector(a[1], 0), .dir = XFRM_POLICY_OUT };
	struct xfrm_user_migrate migrate = {
		.proto = IPPROTO_ESP, .mode = XFRM_MODE_TUNNEL, .reqid = reqid_of(a[0], KIND_TUNNEL),
		.old_family = family_of(six), .new_family = family_of(six),
	};
	struct message m;

	to_address(&migrate.old_daddr, six, from);
	to_address(&migrate.old_saddr, six, local_address[six]);
	to_address(&migrate.new_daddr, six, to);
	to_address(&migrate.new_saddr, six, local_address[six]);
	message_begin(&m, XFRM_MSG_MIGRATE, 0);
	message_add(&m, &id, sizeof(id));
	put(&m, XFRMA_MIGRATE, &migrate, sizeof(migrate));
	put_u32(&m, XFRMA_IF_ID, if_ids[a[0]]);
	/* The new states live as long as the old ones. */
	note_timer();
	return request(w->xfrm, &m);
}

static struct xfrm_usersa_info state_info(int connection, int kind, int number, int limit)
{
	bool six = OUTER_SIX(connection);
	struct xfrm_usersa_info info = {
		.id = { .spi = htonl(spi_of(connection, kind, number)), .proto = protocol_of(kind) },
		.lft = lifetime(limit), .reqid = reqid_of(connection, kind), .family = family_of(six),
		.mode = kind == KIND_TRANSPORT ? XFRM_MODE_TRANSPORT : XFRM_MODE_TUNNEL,
		.flags = kind == KIND_TRANSPORT ? 0 : XFRM_STATE_AF_UNSPEC,
	};

	to_address(&info.id.daddr, six, peer_address[six]);
	to_address(&info.saddr, six, local_address[six]);
	return info;
}

static int state(struct world *w, uint16_t type, int connection, int kind, int number, int mark, int limit,
		 int output_mark, int cpu, int new_connection)
{
	struct xfrm_usersa_info info = state_info(connection, kind, number, limit);
	struct xfrm_algo crypt = { .alg_name = "ecb(cipher_null)" }, auth = { .alg_name = "digest_null" };
	struct xfrm_algo comp = { .alg_name = "deflate" };
	struct message m;

	message_begin(&m, type, 0);
	message_add(&m, &info, sizeof(info));
	if (kind == KIND_COMP) {
		put(&m, XFRMA_ALG_COMP, &comp, sizeof(comp));
	} else {
		put(&m, XFRMA_ALG_CRYPT, &crypt, sizeof(crypt));
		put(&m, XFRMA_ALG_AUTH, &auth, sizeof(auth));
	}
	put_mark(&m, mark);
	put_u32(&m, XFRMA_IF_ID, if_ids[new_connection]);
	if (output_mark)
		put_u32(&m, XFRMA_SET_MARK, output_mark);
	put(&m, ATTR_SA_DIR, &(uint8_t){ 2 }, 1);
	if (cpu != ANY)
		put_u32(&m, ATTR_SA_PCPU, cpu - 1);
	if (limit == SOFT_TIME || limit == HARD_TIME)
		note_timer();
	return request(w->xfrm, &m);
}

int do_state_add(struct world *w, const uint8_t *a)
{
	return state(w, XFRM_MSG_NEWSA, a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[0]);
}

int do_state_update(struct world *w, const uint8_t *a)
{
	return state(w, XFRM_MSG_UPDSA, a[0], a[1], a[2], ANY, a[3], 0, ANY, a[4]);
}

static struct xfrm_usersa_id state_id(int connection, int kind, int number, bool elsewhere)
{
	bool six = OUTER_SIX(connection);
	struct xfrm_usersa_id id = {
		.spi = htonl(spi_of(connection, kind, number)), .family = family_of(six), .proto = protocol_of(kind),
	};

	to_address(&id.daddr, six, elsewhere ? elsewhere_address[six] : peer_address[six]);
	return id;
}

int do_state_delete(struct world *w, const uint8_t *a)
{
	struct xfrm_usersa_id id = state_id(a[0], a[1], a[2], false);
	struct message m;

	message_begin(&m, XFRM_MSG_DELSA, 0);
	message_add(&m, &id, sizeof(id));
	put_mark(&m, a[3]);
	return request(w->xfrm, &m);
}

int do_state_flush(struct world *w, const uint8_t *a)
{
	struct xfrm_usersa_flush flush = {};
	struct message m;

	message_begin(&m, XFRM_MSG_FLUSHSA, 0);
	message_add(&m, &flush, sizeof(flush));
	return request(w->xfrm, &m);
}

int do_state_expire(struct world *w, const uint8_t *a)
{
	struct xfrm_user_expire expire = { .state = state_info(a[0], a[1], a[2], LIMIT_NONE), .hard = 1 };
	struct message m;

	message_begin(&m, XFRM_MSG_EXPIRE, 0);
	message_add(&m, &expire, sizeof(expire));
	return request(w->xfrm, &m);
}

/* A state alone gets another peer, as a policy that names none would find it. */
int do_state_migrate(struct world *w, const uint8_t *a)
{
	bool six = OUTER_SIX(a[0]);
	struct xfrm_user_migrate_state migrate = {
		.id = state_id(a[0], a[1], a[2], !a[3]), .new_family = family_of(six), .new_reqid = reqid_of(a[0], a[1]),
	};
	struct message m;

	to_address(&migrate.new_daddr, six, a[3] ? elsewhere_address[six] : peer_address[six]);
	to_address(&migrate.new_saddr, six, local_address[six]);
	if (a[1] == KIND_TRANSPORT)
		migrate.new_sel.family = family_of(six);
	note_timer();
	message_begin(&m, XFRM_MSG_MIGRATE_STATE, 0);
	message_add(&m, &migrate, sizeof(migrate));
	return request(w->xfrm, &m);
}

/* What the world begins with. */
void restore_xfrm(struct world *w)
{
	for (uint8_t sub = 0; sub < 2; sub++)
		do_policy_flush(w, &sub);
	do_policy_default(w, (uint8_t[]){ 0 });
	do_state_flush(w, NULL);
	for (int c = 0; c < CONNECTIONS; c++) {
		for (int six = 0; six < 2; six++)
			if (policy(w, 0, c, six, 0, 1000, 0, ANY, false, TMPL_ESP))
				errx(1, "a policy is refused");
		for (int kind = KIND_TUNNEL; kind <= KIND_COMP; kind++) {
			/* Those that compress take their time. */
			if (kind == KIND_COMP && c)
				continue;
			if (state(w, XFRM_MSG_NEWSA, c, kind, 0, ANY, LIMIT_NONE, 0, ANY, c))
				errx(1, "a state of kind %d is refused", kind);
		}
	}
}
