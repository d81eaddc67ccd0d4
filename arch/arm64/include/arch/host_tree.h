/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's device tree. Read at boot only, while it is mapped. */
#ifndef ARCH_HOST_TREE_H
#define ARCH_HOST_TREE_H

#include <core/platform.h>

/* Boot CPU: maps and checks the tree at hpa `base`, and fills in `platform`. */
void host_tree_read(struct hpa base);
/* The tree is not needed any more; its memory may belong to a domain. What management needs of it is in the status
 * page. */
void host_tree_close(void);

/* Nodes are named by numbers of host_tree.c's own, valid until host_tree_close(). */
/* The next node after `previous` (-1: the first) that `name` means: a path (one node), or a compatible string.
 * Negative: none. */
int host_tree_find(const char *name, int previous);
bool host_tree_is_compatible(int node, const char *name);
const char *host_tree_name(int node);
int host_tree_phandle(uint32_t phandle);            /* the node that has it; negative: none */
int host_tree_with(const char *name, int previous); /* the next one that has this property */
/* Number `index` of a property of cells; HOST_TREE_NONE behind its end. */
#define HOST_TREE_NONE UINT32_MAX
uint32_t host_tree_cell(int node, const char *name, unsigned index);
const void *host_tree_property(int node, const char *name, int *length); /* as libfdt's fdt_getprop() */
const void *host_tree_property_at(int node, unsigned index, const char **name, int *length); /* NULL: it has no more */
/* The node's `reg`, as physical addresses; the INTIDs of its `interrupts`. At most `limit`; how many there are. */
unsigned host_tree_regs(int node, struct memory_range *ranges, unsigned limit);
unsigned host_tree_interrupts(int node, uint32_t *intids, unsigned limit);

#endif
