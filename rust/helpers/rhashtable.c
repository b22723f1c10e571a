// SPDX-License-Identifier: GPL-2.0

#include <linux/rhashtable.h>

#include "helpers.h"

static int u32_compare(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct net_helper_u32_node *node = obj;

	return *(const u32 *)arg->key != node->key;
}

/* Known to the compiler, so that hashing and comparing a u32 are inlined. */
static const struct rhashtable_params u32_table_params = {
	.head_offset = offsetof(struct net_helper_u32_node, head),
	.key_offset = offsetof(struct net_helper_u32_node, key),
	.key_len = sizeof(u32),
	.obj_cmpfn = u32_compare,
	.automatic_shrinking = true,
};

int net_helper_u32_table_init(struct rhashtable *ht)
{
	return rhashtable_init(ht, &u32_table_params);
}

struct net_helper_u32_node *net_helper_u32_table_lookup(struct rhashtable *ht, u32 key)
{
	return rhashtable_lookup(ht, &key, u32_table_params);
}

int net_helper_u32_table_insert(struct rhashtable *ht, struct net_helper_u32_node *node)
{
	return rhashtable_lookup_insert_fast(ht, &node->head, u32_table_params);
}

int net_helper_u32_table_remove(struct rhashtable *ht, struct net_helper_u32_node *node)
{
	return rhashtable_remove_fast(ht, &node->head, u32_table_params);
}
