/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCH_X86_GUEST_TREE_H
#define ARCH_X86_GUEST_TREE_H

#include <core/arch.h>

/* Boot CPU: writes the device tree of a native domain to `tree`. The bytes used. */
uint64_t guest_tree_write(struct domain *domain, const struct load_plan *plan, void *tree, size_t size);

#endif
