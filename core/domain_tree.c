// SPDX-License-Identifier: Apache-2.0
#include <core/domain_tree.h>

#include <bulkhead/guest_map.h>
#include <core/format.h>
#include <core/log.h>
#include <core/seed.h>
#include <core/status.h>
#include <libfdt.h>
#include <string.h>

void tree_begin(void *tree, const char *name, uint64_t address)
{
    char full[48];

    format_print(full, sizeof(full), "%s@%lx", name, address);
    fdt_begin_node(tree, full);
}

void tree_put_reg(void *tree, const struct range64 *ranges, unsigned count)
{
    fdt64_t cells[2 * TREE_REGS_MAX];

    CHECK(count <= TREE_REGS_MAX);
    for (unsigned i = 0; i < count; i++) {
        cells[2 * i] = cpu_to_fdt64(ranges[i].base);
        cells[2 * i + 1] = cpu_to_fdt64(ranges[i].size);
    }
    fdt_property(tree, "reg", cells, (int)(count * sizeof(struct range64)));
}

void tree_put_reg1(void *tree, uint64_t base, uint64_t size)
{
    tree_put_reg(tree, &(struct range64){base, size}, 1);
}

static bool is_seed(const char *name)
{
    return !strcmp(name, "rng-seed") || !strcmp(name, "kaslr-seed");
}

void tree_begin_root(void *tree, size_t size, const void *known)
{
    int next = 0, depth = 0, length;
    const char *name;
    const void *value;

    /* Without a search for each name: the names of a tree take less than a page anyway. */
    fdt_create_with_flags(tree, (int)size, FDT_CREATE_FLAG_NO_NAME_DEDUP);
    fdt_finish_reservemap(tree);
    fdt_begin_node(tree, "");
    for (int at = next; !fdt_check_header(known); at = next)
        switch (fdt_next_tag(known, at, &next)) {
        case FDT_BEGIN_NODE:
            if (depth++)
                fdt_begin_node(tree, fdt_get_name(known, at, NULL));
            break;
        case FDT_PROP: /* seeds: tree_renew() writes them */
            value = fdt_getprop_by_offset(known, at, &name, &length);
            if (value && (seed_available() || !is_seed(name)))
                fdt_property(tree, name, value, length);
            break;
        case FDT_END_NODE:
            if (--depth > 0)
                fdt_end_node(tree);
            break;
        case FDT_END: /* also for what is none */
            return;
        }
}

uint64_t tree_end_root(void *tree)
{
    fdt_end_node(tree);
    CHECK(!fdt_finish(tree)); /* else its place is too small */
    return fdt_totalsize(tree);
}

void tree_put_memory(void *tree, const struct domain *domain)
{
    tree_begin(tree, "memory", domain->memory_ipa.value);
    fdt_property_string(tree, "device_type", "memory");
    tree_put_reg1(tree, domain->memory_ipa.value, domain->memory_size);
    fdt_end_node(tree);
}

static void renew_seed(void *tree, int node, const char *name)
{
    uint8_t seed[SEED_SIZE];
    int length;
    void *property = fdt_getprop_w(tree, node, name, &length);

    if (!property)
        return;
    seed_take(seed);
    memcpy(property, seed, length < SEED_SIZE ? (size_t)length : SEED_SIZE);
}

void tree_renew(void *tree)
{
    int chosen = fdt_path_offset(tree, "/chosen");

    renew_seed(tree, chosen, "rng-seed");
    renew_seed(tree, chosen, "kaslr-seed");
}

void tree_put_bulkhead(void *tree)
{
    fdt_begin_node(tree, "bulkhead");
    fdt_property_string(tree, "compatible", "bulkhead,status");
    tree_put_reg1(tree, status_hpa().value, status_bytes());
    arch_tree_put_line(tree, GUEST_LINE_DOORBELL);
    fdt_end_node(tree);
}
