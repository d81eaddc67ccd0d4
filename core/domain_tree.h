/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device trees for domains: what is the same on every architecture. A tree begins with what the load plan has of it;
 * the rest follows, in one pass. Errors end up in the tree's header, and tree_end_root() checks. Below the root
 * addresses and sizes have 2 cells. Bindings are Linux's, and our own (/bulkhead).
 */
#ifndef CORE_DOMAIN_TREE_H
#define CORE_DOMAIN_TREE_H

#include <core/arch.h>

struct range64 {
    uint64_t base, size;
};

/* Begins the node NAME@ADDRESS. */
void tree_begin(void *tree, const char *name, uint64_t address);
#define TREE_REGS_MAX 8
void tree_put_reg(void *tree, const struct range64 *ranges, unsigned count);
void tree_put_reg1(void *tree, uint64_t base, uint64_t size);
/* The architecture's: the property `interrupts` for an edge-triggered shared line of the domain. */
void arch_tree_put_line(void *tree, uint32_t line);

/* Begins the tree; the root's properties and nodes that `known`, a flattened tree of the bundle, has. */
void tree_begin_root(void *tree, size_t size, const void *known);
void tree_put_memory(void *tree, const struct domain *domain);
/* /bulkhead, for the domain that serves the others: the status page and the line of its doorbell. */
void tree_put_bulkhead(void *tree);
/* The bytes used. */
uint64_t tree_end_root(void *tree);
/* New seeds. */
void tree_renew(void *tree);

#endif
