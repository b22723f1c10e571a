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
#include "plugin.h"

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
	FILE *file = open_numbered(out, ++stops);

	(void)data;
	if (!file)
		return;
	for (struct block *b = blocks; b; b = b->next) {
		uint64_t count = qemu_plugin_u64_get(b->count, vcpu);

		if (count)
			fprintf(file, "%" PRIx64 " %" PRIu64 "\n", b->address, count);
	}
	fclose(file);
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

		if (is_mark(insn, MARK_START))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, start, NO_REGISTERS, NULL);
		else if (is_mark(insn, MARK_STOP))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, stop, NO_REGISTERS, NULL);
	}
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	(void)info;
	out = argument_out(argc, argv);
	if (!out)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
