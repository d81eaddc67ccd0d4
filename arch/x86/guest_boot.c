// SPDX-License-Identifier: Apache-2.0
/*
 * What the kernel itself hands a domain at its start, at the end of its memory: tables for an identity map, segment
 * descriptors, what is new each time, and the device tree of a domain that wants one.
 */
#include <arch/guest_start.h>
#include <arch/passthrough.h>
#include <bulkhead/guest_map.h>
#include <bulkhead/load_plan.h>
#include <core/arch.h>
#include <core/deadline.h>
#include <core/domain_tree.h>
#include <core/log.h>
#include <core/platform.h>
#include <core/seed.h>
#include <libfdt.h>
#include <string.h>

#define TABLE_ENTRIES 512
#define ENTRY_TABLE 0x07ull /* present, writable, user */
#define ENTRY_BLOCK 0x87ull
#define SETUP_RNG_SEED 9

struct handover {
    uint64_t table[6][TABLE_ENTRIES]; /* identity map of 4 GiB: levels 4, 3, four times level 2 */
    uint64_t gdt[4];
    struct { /* Linux's setup_data */
        uint64_t next;
        uint32_t type, length; /* length 0: no seed */
        uint8_t data[SEED_SIZE];
    } seed;
    uint8_t generation_id[16];
};
_Static_assert(offsetof(struct handover, seed) == GUEST_DESCRIPTION_SEED &&
                   offsetof(struct handover, generation_id) == GUEST_DESCRIPTION_GENERATION_ID &&
                   sizeof(struct handover) <= GUEST_DESCRIPTION_BOOT,
               "guest_map.h");

#define LINE_EDGE 1

void arch_tree_put_line(void *tree, uint32_t line)
{
    fdt32_t cells[] = {cpu_to_fdt32(line), cpu_to_fdt32(LINE_EDGE)};

    fdt_property(tree, "interrupts", cells, sizeof(cells));
}

static uint64_t write_tree(struct domain *domain, const void *known, void *tree, size_t size)
{
    tree_begin_root(tree, size, known);
    fdt_begin_node(tree, "timer");
    fdt_property_u64(tree, "timebase-frequency", platform.arch.tsc_hz);
    fdt_end_node(tree);
    tree_put_memory(tree, domain);
    passthrough_describe(domain, tree);
    if (domain->config->flags & PARTITION_MANAGEMENT)
        tree_put_bulkhead(tree);
    return tree_end_root(tree);
}

struct description arch_domain_describe(struct domain *domain, uint32_t protocol, const void *tree, void *buffer,
                                        size_t size)
{
    struct handover *handover = buffer;
    uint64_t end = domain->memory_ipa.value + domain->memory_size, base = end - LOAD_DESCRIPTION_SIZE;
    bool wide = protocol == LOAD_TREE || protocol == LOAD_LINUX;
    struct description description = {GUEST_DESCRIPTION_BOOT, GUEST_DESCRIPTION_BOOT};

    if (end > GUEST_MEMORY_END) {
        log_line("%s: its memory ends at %lx, above what it can address at its start", domain->config->name, end);
        return (struct description){0};
    }
    handover->table[0][0] = (base + PAGE_SIZE) | ENTRY_TABLE;
    for (uint64_t i = 0; i < 4; i++)
        handover->table[1][i] = (base + (2 + i) * PAGE_SIZE) | ENTRY_TABLE;
    for (uint64_t i = 0; i < 4 * TABLE_ENTRIES; i++)
        handover->table[2 + i / TABLE_ENTRIES][i % TABLE_ENTRIES] = i * 2 * MIB | ENTRY_BLOCK;
    handover->gdt[GUEST_CS / 8] = wide ? 0x00af9b000000ffff : 0x00cf9b000000ffff;
    handover->gdt[GUEST_DS / 8] = 0x00cf93000000ffff;
    handover->seed.type = SETUP_RNG_SEED;
    domain->arch.start = (struct guest_start){protocol, wide, ipa(base), ipa(base + offsetof(struct handover, gdt))};
    if (protocol == LOAD_TREE)
        description.size +=
            write_tree(domain, tree, (uint8_t *)buffer + GUEST_DESCRIPTION_BOOT, size - GUEST_DESCRIPTION_BOOT);
    return description;
}

void arch_domain_renew(struct domain *domain, void *description)
{
    struct handover *handover = description;
    uint8_t seed[SEED_SIZE];
    uint64_t now = time_ns();

    if (seed_available()) {
        seed_take(handover->seed.data);
        handover->seed.length = SEED_SIZE;
        seed_take(seed);
        memcpy(handover->generation_id, seed, sizeof(handover->generation_id));
    } else { /* no secret, but another one each time */
        memcpy(handover->generation_id, &now, sizeof(now));
    }
    if (domain->arch.start.protocol == LOAD_TREE)
        tree_renew((uint8_t *)description + GUEST_DESCRIPTION_BOOT);
}
