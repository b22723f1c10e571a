// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin for QEMU that counts the instructions that the guest executes between two marks, by the
 * address of the block that they are in. The marks are no-operations that udp.c has around each
 * round; at the end of round N the counts are written to OUT.N, a line for each block.
 *
 *	-plugin FILE,out=OUT
 *
 * For one virtual processor.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Distributions do not package QEMU's header. What is needed of its API, as of version 4: */
#define EXPORT __attribute__((visibility("default")))

EXPORT int qemu_plugin_version = 4;

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_scoreboard;

typedef uint64_t qemu_plugin_id_t;
typedef struct {
	struct qemu_plugin_scoreboard *score;
	size_t offset;
} qemu_plugin_u64;

enum { NO_REGISTERS };	/* qemu_plugin_cb_flags */
enum { ADD };		/* qemu_plugin_op */

typedef void (*translated_t)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*executed_t)(unsigned int vcpu, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translated_t callback);
void qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(struct qemu_plugin_tb *tb, int op,
						       qemu_plugin_u64 entry, uint64_t operand);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, executed_t callback,
					    int flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to, size_t size);
struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t size);
uint64_t qemu_plugin_u64_get(qemu_plugin_u64 entry, unsigned int vcpu);
void qemu_plugin_u64_set(qemu_plugin_u64 entry, unsigned int vcpu, uint64_t value);

/* nopl 0x5ca1ab1e(%rax) and nopl 0x5ca1ab1f(%rax) */
static const uint8_t start_mark[] = { 0x0f, 0x1f, 0x80, 0x1e, 0xab, 0xa1, 0x5c };
static const uint8_t stop_mark[] = { 0x0f, 0x1f, 0x80, 0x1f, 0xab, 0xa1, 0x5c };

/* What was translated, as often as it was. */
struct block {
	struct block *next;
	uint64_t address;
	qemu_plugin_u64 count;
};

static struct block *blocks;
static const char *out;
static unsigned int stops;

static void start(unsigned int vcpu, void *data)
{
	(void)data;
	for (struct block *b = blocks; b; b = b->next)
		qemu_plugin_u64_set(b->count, vcpu, 0);
}

static void stop(unsigned int vcpu, void *data)
{
	char path[4096];
	FILE *file;

	(void)data;
	snprintf(path, sizeof(path), "%s.%u", out, ++stops);
	file = fopen(path, "w");
	if (!file) {
		perror(path);
		return;
	}
	for (struct block *b = blocks; b; b = b->next) {
		uint64_t count = qemu_plugin_u64_get(b->count, vcpu);

		if (count)
			fprintf(file, "%" PRIx64 " %" PRIu64 "\n", b->address, count);
	}
	fclose(file);
}

static bool is(const struct qemu_plugin_insn *insn, const uint8_t *bytes, size_t size)
{
	uint8_t data[16];

	return qemu_plugin_insn_data(insn, data, sizeof(data)) == size &&
	       !memcmp(data, bytes, size);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t count = qemu_plugin_tb_n_insns(tb);
	struct block *b = calloc(1, sizeof(*b));

	(void)id;
	if (!b)
		abort();
	b->address = qemu_plugin_tb_vaddr(tb);
	b->count.score = qemu_plugin_scoreboard_new(sizeof(uint64_t));
	b->next = blocks;
	blocks = b;
	qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(tb, ADD, b->count, count);

	for (size_t i = 0; i < count; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (is(insn, start_mark, sizeof(start_mark)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, start, NO_REGISTERS, NULL);
		else if (is(insn, stop_mark, sizeof(stop_mark)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, stop, NO_REGISTERS, NULL);
	}
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = strdup(argv[i] + 4);
	}
	if (!out) {
		fputs("profile: out= is missing\n", stderr);
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
