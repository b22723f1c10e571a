// SPDX-License-Identifier: GPL-2.0
/*
 * Hash tables of what has a 32-bit key (rhashtable). The kernel's functions are inline, for
 * parameters that the compiler sees.
 */

#include <linux/rhashtable.h>

#include "datapath.h"

static int u32_compare(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct datapath_u32_node *node = obj;

	return *(const u32 *)arg->key != node->key;
}

static const struct rhashtable_params u32_table_params = {
	.head_offset = offsetof(struct datapath_u32_node, head),
	.key_offset = offsetof(struct datapath_u32_node, key),
	.key_len = sizeof(u32),
	.obj_cmpfn = u32_compare,
	.automatic_shrinking = true,
};

/* Makes an empty table: 0 or -ENOMEM. In process context. */
int datapath_u32_table_init(struct rhashtable *ht)
{
	return rhashtable_init(ht, &u32_table_params);
}

/* The node with this key, or NULL. Under RCU. */
struct datapath_u32_node *datapath_u32_table_lookup(struct rhashtable *ht, u32 key)
{
	return rhashtable_lookup(ht, &key, u32_table_params);
}

/* Adds a node: 0, -EEXIST if the key is there, or an error for lack of memory. */
int datapath_u32_table_insert(struct rhashtable *ht, struct datapath_u32_node *node)
{
	return rhashtable_lookup_insert_fast(ht, &node->head, u32_table_params);
}

/* Removes a node: 0, or -ENOENT. Readers may see it until a grace period has passed. */
int datapath_u32_table_remove(struct rhashtable *ht, struct datapath_u32_node *node)
{
	return rhashtable_remove_fast(ht, &node->head, u32_table_params);
}
