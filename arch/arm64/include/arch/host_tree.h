/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's device tree. Read at boot only, while it is mapped. */
#ifndef ARCH_HOST_TREE_H
#define ARCH_HOST_TREE_H

#include <core/platform.h>

/* Boot CPU: maps and checks the tree at hpa `base`, and fills in `platform`. */
void host_tree_read(struct hpa base);
/* The tree is not needed any more; its memory may belong to a domain. */
void host_tree_close(void);

/* `reg` entry `index` of a node, translated to a physical address. False: there is none. */
bool host_tree_reg(int node, unsigned index, struct memory_range *range);
/* The INTID of `interrupts` entry `index` of a node below the GIC; 0: none. */
uint32_t host_tree_interrupt(int node, unsigned index, bool *edge);
/* The next node after `previous` (-1: the first) that `name` means: a path (one node), or a compatible string.
 * Negative: none. */
int host_tree_find(const char *name, int previous);

#endif
