// SPDX-License-Identifier: GPL-2.0
/*
 * Adds up the counters of a module that was compiled with COVERAGE=1, each time when it has been
 * unloaded, or has failed to load, and its memory is about to be freed. So what it does on its way
 * out is counted, too.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct module {
	char name[56];
} __attribute__((preserve_access_index));

/* Where the counters are, in bytes after the structure, and how many. */
struct place {
	__s64 distance;
	__u64 count;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct place);
} place SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

static int add(__u32 index, const __u64 *start)
{
	__u64 *sum = bpf_map_lookup_elem(&counters, &index);
	__u64 value;

	if (!sum || bpf_probe_read_kernel(&value, sizeof(value), (void *)(*start + index * sizeof(value))))
		return 1;
	*sum += value;
	return 0;
}

SEC("raw_tp/module_free")
int collect(struct bpf_raw_tracepoint_args *args)
{
	struct module *module = (struct module *)args->args[0];
	char name[sizeof(module->name)];
	struct place *where;
	__u32 zero = 0;
	__u64 start;

	bpf_probe_read_kernel_str(name, sizeof(name), module->name);
	where = bpf_map_lookup_elem(&place, &zero);
	if (!where || bpf_strncmp(name, sizeof(name), "xfrm_interface_rust"))
		return 0;
	start = args->args[0] + where->distance;
	bpf_loop(where->count, add, &start, 0);
	return 0;
}

char _license[] SEC("license") = "GPL";
