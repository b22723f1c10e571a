/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the plugins for QEMU share: its API, the marks that udp.c has in its code, and the files
 * that results go to.
 */
#ifndef PLUGIN_H
#define PLUGIN_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "marks.h"

/* Distributions do not package QEMU's header. What is needed of its API, as of version 4: */
#define EXPORT __attribute__((visibility("default")))

EXPORT int qemu_plugin_version = 4;

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_scoreboard;
struct qemu_plugin_hwaddr;
struct qemu_plugin_register;

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
typedef struct {
	struct qemu_plugin_scoreboard *score;
	size_t offset;
} qemu_plugin_u64;

enum { NO_REGISTERS, READS_REGISTERS };	/* qemu_plugin_cb_flags */
enum { ADD };		/* qemu_plugin_op */
enum { READS_AND_WRITES = 3 };	/* qemu_plugin_mem_rw */

/* GArray and GByteArray of GLib, and what is in those of registers. */
struct garray {
	char *data;
	unsigned int len;
};

struct gbytearray {
	uint8_t *data;
	unsigned int len;
};

struct register_descriptor {
	struct qemu_plugin_register *handle;
	const char *name, *feature;
};

struct gbytearray *g_byte_array_new(void);
struct gbytearray *g_byte_array_set_size(struct gbytearray *array, unsigned int length);

typedef void (*translated_t)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*executed_t)(unsigned int vcpu, void *data);
typedef void (*accessed_t)(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t address,
			   void *data);
typedef void (*begun_t)(qemu_plugin_id_t id, unsigned int vcpu);
typedef void (*done_t)(qemu_plugin_id_t id);

void qemu_plugin_reset(qemu_plugin_id_t id, done_t callback);

int qemu_plugin_num_vcpus(void);
struct garray *qemu_plugin_get_registers(void);
int qemu_plugin_read_register(struct qemu_plugin_register *handle, struct gbytearray *value);

void qemu_plugin_register_vcpu_init_cb(qemu_plugin_id_t id, begun_t callback);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translated_t callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, executed_t callback,
					  int flags, void *data);
void qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(struct qemu_plugin_tb *tb, int op,
						       qemu_plugin_u64 entry, uint64_t operand);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, executed_t callback,
					    int flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, accessed_t callback,
				      int flags, int reads_or_writes, void *data);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to, size_t size);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *insn);

bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info);
unsigned int qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t info);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(qemu_plugin_meminfo_t info, uint64_t address);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *hwaddr);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *hwaddr);

struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t size);
uint64_t qemu_plugin_u64_get(qemu_plugin_u64 entry, unsigned int vcpu);
void qemu_plugin_u64_set(qemu_plugin_u64 entry, unsigned int vcpu, uint64_t value);

/* Whether the instruction is the mark: nopl MARK(%rax). */
static inline bool is_mark(const struct qemu_plugin_insn *insn, uint32_t mark)
{
	const uint8_t bytes[] = { 0x0f, 0x1f, 0x80, mark, mark >> 8, mark >> 16, mark >> 24 };
	uint8_t data[16];

	return qemu_plugin_insn_data(insn, data, sizeof(data)) == sizeof(bytes) &&
	       !memcmp(data, bytes, sizeof(bytes));
}

/* The value of out=, or NULL after a message. */
static inline const char *argument_out(int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			return strdup(argv[i] + 4);
	}
	fputs("plugin: out= is missing\n", stderr);
	return NULL;
}

/* PREFIX.NUMBER, to be written, or NULL after a message. */
static inline FILE *open_numbered(const char *prefix, unsigned int number)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s.%u", prefix, number);
	file = fopen(path, "w");
	if (!file)
		perror(path);
	return file;
}

#endif
