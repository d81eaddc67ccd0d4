/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device trees for domains: what is the same on every architecture. Written in one pass; errors end up in the tree's
 * header, and fdt_finish() tells. Below the root addresses and sizes have 2 cells. Bindings are Linux's, and our own
 * (/bulkhead).
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
/* The architecture's: the property `interrupts` for a shared line of the domain. */
void arch_tree_put_line(void *tree, uint32_t line, bool level);

/* The root's first properties; /chosen (`console`: path of the UART) and /memory. */
void tree_put_root(void *tree, struct domain *domain, const struct load_plan *plan, const char *console);
/* virtio_mmio@...: the channels of which the domain has the front-end. */
void tree_put_front_ends(void *tree, struct domain *domain);
/* /bulkhead, for the domain that serves the others: the status page and the line of its doorbell. */
void tree_put_bulkhead(void *tree);
/* New seeds. */
void tree_renew(void *tree);

#endif
