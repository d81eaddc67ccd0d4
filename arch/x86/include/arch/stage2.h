/* SPDX-License-Identifier: Apache-2.0 */
/* Nested paging, what core/arch.h does not have. */
#ifndef ARCH_STAGE2_H
#define ARCH_STAGE2_H

#include <core/vcpu.h>

/* How a nested page table's entry says it. */
struct nested_format {
    uint64_t table; /* an entry that points to a table */
    uint64_t level; /* times the level of that table, 1 the last; 0: entries do not say it */
    uint64_t read, write, execute, no_execute, normal, device;
    uint64_t large; /* a leaf of 2 MiB or 1 GiB */
};

/* A tree of tables, of kernel memory: for CPUs or for devices. */
struct nested_tables {
    uint64_t *root;
    uint64_t root_hpa;
    const struct nested_format *format;
    unsigned top_shift;     /* of the root's entries: 39, or 30 */
    unsigned largest_shift; /* of leaves: 30, 21 or 12 */
    bool clean;             /* who walks it does not look into caches */
};
/* Boot CPU: as stage2_map(). */
void nested_map(const struct nested_tables *tables, uint64_t from, uint64_t to, uint64_t length, uint32_t rights);

/*
 * Own CPU of the domain, one of its CPUs at a time: replaces a page of the domain's memory by a page of the kernel's;
 * `with` 0 gives the memory back. The caller's translations are forgotten, those of other vCPUs that run are not.
 * False: not the domain's memory, or no table is left to say it with (there are enough for ten such pages).
 */
bool stage2_overlay(struct domain *domain, struct ipa page, struct hpa with, uint32_t rights);
/* Own CPU of the domain, which is stopped and has got all its memory back: the tables are to spare again. */
void stage2_overlay_reset(struct domain *domain);

#endif
