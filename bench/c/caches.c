// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin for QEMU that models caches, and says which of the kernel's instructions miss them, and
 * which lines of memory go from one processor to another.
 *
 *	-plugin FILE,out=OUT
 *
 * Each processor has a first level for instructions and one for data; all share a last level. Each
 * gives up what was not used for longest. There is no prefetching, and no TLB. Only the kernel's
 * accesses are seen.
 *
 * Everything between the marks MARK_WATCH and MARK_REST, which udp.c has, goes through the model;
 * what is between MARK_START and MARK_STOP is counted, on all processors. At the N-th stop OUT.N is
 * written, with lines of these kinds:
 *
 *	i PC COUNT L1 LL
 *		fetches of the line of instructions at PC: how many, and how many of them missed the
 *		first and the last level
 *	d PC COUNT L1 LL MOVED
 *		accesses of the instruction at PC, to lines; how many of these another processor had
 *		written, or read if it is written now
 *	w LINE MOVED PC...
 *		a line that moved between processors, how often, and up to 8 instructions that wrote
 *		to it
 *
 * QEMU has to execute all processors in one thread, as it does with -icount.
 */
#include "plugin.h"

enum {
	LINE_SHIFT = 6,
	PROCESSORS = 8,
	L1_SETS = 64, L1_WAYS = 8,		/* 32 kB */
	LL_SETS = 8192, LL_WAYS = 16,		/* 8 MB */
	WRITERS = 8,
};

/* Lines of instructions and of data never have the same number. */
#define INSTRUCTIONS	0x8000000000000000ull
/* The lower half of the addresses is user space. */
#define KERNEL		0x8000000000000000ull

struct way {
	uint64_t line;		/* 0: empty */
	uint64_t used;
};

struct level {
	struct way *ways;
	uint32_t sets, per_set;
};

static struct level l1i[PROCESSORS], l1d[PROCESSORS], ll;
static uint64_t ticks;

/* Which instruction, or line of instructions. */
struct site {
	struct site *next;		/* in the list of all */
	uint64_t pc;
	uint64_t fetched;		/* the line of instructions; 0: accesses data */
	uint64_t count, l1, ll, moved;
};

/* What an access means for others. Lines are never forgotten. */
struct line {
	uint64_t number;		/* 0: free */
	struct site *writers[WRITERS];
	uint8_t have;			/* processors that have it as it is */
	uint8_t written;		/* whether it was written at all */
	uint32_t moved;			/* how often it went to another processor, while counting */
};

static struct site *sites;
static struct line *lines;
static uint64_t capacity = 1 << 20, used_lines;
static const char *out;
static unsigned int stops;
static bool counting;

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (!memory)
		abort();
	return memory;
}

/* Whether the line was there; it is now. */
static bool hit(struct level *level, uint64_t line)
{
	struct way *ways = &level->ways[line % level->sets * level->per_set], *oldest = ways;

	ticks++;
	for (uint32_t i = 0; i < level->per_set; i++) {
		if (ways[i].line == line) {
			ways[i].used = ticks;
			return true;
		}
		if (ways[i].used < oldest->used)
			oldest = &ways[i];
	}
	oldest->line = line;
	oldest->used = ticks;
	return false;
}

static void drop(struct level *level, uint64_t line)
{
	struct way *ways = &level->ways[line % level->sets * level->per_set];

	for (uint32_t i = 0; i < level->per_set; i++) {
		if (ways[i].line == line)
			ways[i] = (struct way) {};
	}
}

static struct line *place(uint64_t number)
{
	uint64_t i = number * 0x9e3779b97f4a7c15 >> 20;

	while (lines[i % capacity].number && lines[i % capacity].number != number)
		i++;
	return &lines[i % capacity];
}

static struct line *find(uint64_t number)
{
	struct line *line = place(number), *old = lines;

	if (line->number)
		return line;
	if (++used_lines > capacity / 2) {
		uint64_t count = capacity;

		capacity *= 2;
		lines = allocate(capacity, sizeof(*lines));
		for (uint64_t i = 0; i < count; i++) {
			if (old[i].number)
				*place(old[i].number) = old[i];
		}
		free(old);
		line = place(number);
	}
	line->number = number;
	return line;
}

static void add_writer(struct line *line, struct site *site)
{
	for (int i = 0; i < WRITERS; i++) {
		if (line->writers[i] == site)
			return;
		if (!line->writers[i]) {
			line->writers[i] = site;
			return;
		}
	}
}

/*
 * The processor that executes, which QEMU does not tell: with all in one thread, callbacks get the
 * number of the one that the code was translated for. Linux has an area for each, whose address is
 * in one register or the other.
 */
static struct qemu_plugin_register *bases[2];
static struct gbytearray *value;
static uint64_t areas[PROCESSORS];
static unsigned int processor;

static void find_registers(qemu_plugin_id_t id, unsigned int vcpu)
{
	const struct garray *array = qemu_plugin_get_registers();
	const struct register_descriptor *all = (const void *)array->data;

	(void)id;
	(void)vcpu;
	for (unsigned int i = 0; i < array->len; i++) {
		if (!strcmp(all[i].name, "gs_base"))
			bases[0] = all[i].handle;
		else if (!strcmp(all[i].name, "k_gs_base"))
			bases[1] = all[i].handle;
	}
}

static void find_processor(unsigned int vcpu, void *data)
{
	uint64_t area = 0;

	(void)vcpu;
	(void)data;
	for (int i = 0; i < 2 && !(area & KERNEL); i++) {
		g_byte_array_set_size(value, 0);
		if (qemu_plugin_read_register(bases[i], value) == sizeof(area))
			memcpy(&area, value->data, sizeof(area));
	}
	if (area == areas[processor])
		return;
	for (unsigned int i = 0; i < PROCESSORS; i++) {
		if (!areas[i])
			areas[i] = area;
		if (areas[i] == area) {
			processor = i;
			return;
		}
	}
	fputs("caches: too many processors\n", stderr);
	abort();
}

static void share(uint64_t number, bool store, struct site *site)
{
	struct line *line = find(number);
	uint8_t me = 1 << processor;
	/* What has only been read is the same everywhere. */
	bool moves = (line->have & ~me) && (store || (line->written && !(line->have & me)));

	if (counting) {
		if (store)
			add_writer(line, site);
		site->moved += moves;
		line->moved += moves;
	}
	if (!store) {
		line->have |= me;
		return;
	}
	for (int i = 0; i < PROCESSORS; i++) {
		if (line->have & ~me & 1 << i)
			drop(&l1d[i], number);
	}
	line->have = me;
	line->written = true;
}

static void access_line(uint64_t number, bool store, struct site *site)
{
	bool first = hit(&l1d[processor], number), last = first || hit(&ll, number);

	if (counting) {
		site->count++;
		site->l1 += !first;
		site->ll += !last;
	}
	share(number, store, site);
}

static void accessed(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
	struct qemu_plugin_hwaddr *hwaddr = qemu_plugin_get_hwaddr(info, address);
	uint64_t size = 1ull << qemu_plugin_mem_size_shift(info), from, to;

	(void)vcpu;
	if (!hwaddr || qemu_plugin_hwaddr_is_io(hwaddr))
		return;
	from = qemu_plugin_hwaddr_phys_addr(hwaddr);
	to = from + size - 1;
	for (uint64_t line = from >> LINE_SHIFT; line <= to >> LINE_SHIFT; line++)
		access_line(line, qemu_plugin_mem_is_store(info), data);
}

static void fetched(unsigned int vcpu, void *data)
{
	struct site *site = data;
	bool first = hit(&l1i[processor], site->fetched), last = first || hit(&ll, site->fetched);

	(void)vcpu;
	if (counting) {
		site->count++;
		site->l1 += !first;
		site->ll += !last;
	}
}

static struct site *new_site(uint64_t pc, uint64_t fetched)
{
	struct site *site = allocate(1, sizeof(*site));

	site->pc = pc;
	site->fetched = fetched;
	site->next = sites;
	sites = site;
	return site;
}

static void start(unsigned int vcpu, void *data)
{
	(void)vcpu;
	(void)data;
	for (struct site *site = sites; site; site = site->next) {
		site->count = 0;
		site->l1 = 0;
		site->ll = 0;
		site->moved = 0;
	}
	for (uint64_t i = 0; i < capacity; i++) {
		lines[i].moved = 0;
		memset(lines[i].writers, 0, sizeof(lines[i].writers));
	}
	counting = true;
}

static void stop(unsigned int vcpu, void *data)
{
	FILE *file = open_numbered(out, ++stops);

	(void)vcpu;
	(void)data;
	counting = false;
	if (!file)
		return;
	for (struct site *site = sites; site; site = site->next) {
		if (!site->count)
			continue;
		fprintf(file, "%c %" PRIx64 " %" PRIu64 " %" PRIu64 " %" PRIu64,
			site->fetched ? 'i' : 'd', site->pc, site->count, site->l1, site->ll);
		if (!site->fetched)
			fprintf(file, " %" PRIu64, site->moved);
		fputc('\n', file);
	}
	for (uint64_t i = 0; i < capacity; i++) {
		const struct line *line = &lines[i];

		if (!line->moved)
			continue;
		fprintf(file, "w %" PRIx64 " %u", line->number, line->moved);
		for (int n = 0; n < WRITERS && line->writers[n]; n++)
			fprintf(file, " %" PRIx64, line->writers[n]->pc);
		fputc('\n', file);
	}
	fclose(file);
}

static void resting(qemu_plugin_id_t id);
static void watching(qemu_plugin_id_t id);

static qemu_plugin_id_t own;

static void watch(unsigned int vcpu, void *data)
{
	(void)vcpu;
	(void)data;
	qemu_plugin_reset(own, watching);
}

static void rest(unsigned int vcpu, void *data)
{
	(void)vcpu;
	(void)data;
	qemu_plugin_reset(own, resting);
}

static void find_mark(struct qemu_plugin_tb *tb, uint32_t mark, executed_t callback)
{
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (is_mark(insn, mark))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, callback, NO_REGISTERS, NULL);
	}
}

/* Most of the time nothing is counted, and QEMU is as fast as without a plugin. */
static void translated_resting(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	if (!(qemu_plugin_tb_vaddr(tb) & KERNEL))
		find_mark(tb, MARK_WATCH, watch);
}

static void translated_watching(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	uint64_t last_line = 0;

	(void)id;
	if (!(qemu_plugin_tb_vaddr(tb) & KERNEL)) {
		find_mark(tb, MARK_START, start);
		find_mark(tb, MARK_STOP, stop);
		find_mark(tb, MARK_REST, rest);
		return;
	}
	if (qemu_plugin_num_vcpus() > 1)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, find_processor, READS_REGISTERS, NULL);
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t pc = qemu_plugin_insn_vaddr(insn);
		/* An address of the machine's memory does as well as the guest's physical one. */
		uint64_t line = (uintptr_t)qemu_plugin_insn_haddr(insn) >> LINE_SHIFT;

		if (line && line != last_line) {
			qemu_plugin_register_vcpu_insn_exec_cb(insn, fetched, NO_REGISTERS,
							       new_site(pc, line | INSTRUCTIONS));
			last_line = line;
		}
		qemu_plugin_register_vcpu_mem_cb(insn, accessed, NO_REGISTERS, READS_AND_WRITES,
						 new_site(pc, 0));
	}
}

static void resting(qemu_plugin_id_t id)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated_resting);
}

static void watching(qemu_plugin_id_t id)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated_watching);
}

static struct level level(uint32_t sets, uint32_t per_set)
{
	return (struct level) { allocate(sets * per_set, sizeof(struct way)), sets, per_set };
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	(void)info;
	own = id;
	out = argument_out(argc, argv);
	if (!out)
		return -1;
	for (int i = 0; i < PROCESSORS; i++) {
		l1i[i] = level(L1_SETS, L1_WAYS);
		l1d[i] = level(L1_SETS, L1_WAYS);
	}
	ll = level(LL_SETS, LL_WAYS);
	lines = allocate(capacity, sizeof(*lines));
	value = g_byte_array_new();
	qemu_plugin_register_vcpu_init_cb(id, find_registers);
	resting(id);
	return 0;
}
