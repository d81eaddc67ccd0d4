/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The domain's device tree, as the kernel built it. Trusted; read-only after start-up. Nodes are libfdt offsets;
 * negative: none. #address-cells and #size-cells of the root are taken to be 2, as the kernel writes them.
 */
#ifndef LIB_TREE_H
#define LIB_TREE_H

#include <stdbool.h>
#include <stdint.h>

struct tree_range {
    uint64_t base, size; /* size 0: there is none */
};

/* Once, before everything else here: false if that is no device tree. */
bool tree_init(const void *blob);
const void *tree_blob(void);

int tree_path(const char *path);
/* The first node after `previous` (-1: from the start) that is compatible and not disabled. */
int tree_compatible(int previous, const char *compatible);
struct tree_range tree_reg(int node, uint32_t index);
/* The range of a memory node that holds `address`. */
struct tree_range tree_memory(uint64_t address);
/* The node's n-th interrupt, for interrupt_register(), or 0: an INTID (GIC binding, 3 cells), or a line (2 cells), by
 * what the root's interrupt-parent has. `level` (may be NULL): level-triggered. */
uint32_t tree_interrupt(int node, uint32_t index, bool *level);
/* The n-th of a property's messages, each (address, data, interrupt), with which a device may interrupt this domain. */
struct tree_message {
    uint32_t address, data, interrupt; /* interrupt 0: there is none */
};
struct tree_message tree_message(int node, const char *property, uint32_t index);
/* Whether the node has the property, whatever it holds. */
bool tree_has(int node, const char *property);
/* A 32-bit or 64-bit property, or `otherwise`. */
uint64_t tree_number(int node, const char *property, uint64_t otherwise);
/* A property of that many bytes; false: there is none. */
bool tree_bytes(int node, const char *property, void *bytes, uint32_t length);

#endif
