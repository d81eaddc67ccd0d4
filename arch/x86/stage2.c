// SPDX-License-Identifier: Apache-2.0
/* Nested paging: one tree of four levels a domain, built at boot, in the vendor's format (NPT or EPT). An IOMMU's trees
 * are built alike. */
#include "vendor.h"

#include <arch/stage2.h>
#include <core/arch.h>
#include <core/log.h>
#include <core/memory.h>

#define ADDRESS_MASK 0x000ffffffffff000ull
#define ENTRIES 512u
#define TOP_SHIFT 39u
#define LARGEST_SHIFT 30u
#define SPARE_TABLES 10u          /* for pages laid over memory: TLFS has one a vCPU, and two */
#define SPARE_TABLES_MANAGEMENT 2 /* its assist page */

static uint64_t attributes(const struct nested_format *format, uint32_t rights)
{
    uint64_t value = rights & STAGE2_DEVICE ? format->device : format->normal;

    value |= rights & STAGE2_READ ? format->read : 0;
    value |= rights & STAGE2_WRITE ? format->write : 0;
    value |= rights & STAGE2_EXECUTE ? format->execute : format->no_execute;
    return value;
}

static bool is_table(const struct nested_format *format, uint64_t entry, unsigned shift)
{
    if (entry == 0 || shift == 12)
        return false;
    return format->level ? (entry & 7 * format->level) != 0 : !(entry & format->large);
}

static unsigned index_of(uint64_t address, unsigned shift)
{
    return address >> shift & (ENTRIES - 1);
}

/* Tables are kernel memory, of which the hpa and the virtual address differ by a constant. */
static uint64_t *table_at(const uint64_t *root, uint64_t root_hpa, uint64_t entry)
{
    return (uint64_t *)((uint64_t)root + ((entry & ADDRESS_MASK) - root_hpa));
}

static void put(const struct nested_tables *tables, uint64_t *entry, uint64_t value)
{
    *entry = value;
    if (tables->clean)
        cache_clean(entry, sizeof(*entry));
}

static uint64_t new_table(const struct nested_tables *tables, unsigned shift)
{
    uint64_t *table = memory_pages(1);

    if (tables->clean)
        cache_clean(table, PAGE_SIZE);
    return kernel_hpa(table).value | tables->format->table | tables->format->level * ((shift - 12) / 9);
}

void nested_map(const struct nested_tables *tables, uint64_t from, uint64_t to, uint64_t length, uint32_t rights)
{
    const struct nested_format *format = tables->format;
    uint64_t end = from + length;

    CHECK(((from | to | length) & (PAGE_SIZE - 1)) == 0 && end >= from && end >> (tables->top_shift + 9) == 0);
    while (from < end) {
        uint64_t *entry = &tables->root[index_of(from, tables->top_shift)];
        unsigned shift = tables->top_shift;

        while (shift > tables->largest_shift || (shift > 12 && (((from | to) & ((1ull << shift) - 1)) != 0 ||
                                                                end - from < 1ull << shift || *entry != 0))) {
            if (*entry == 0)
                put(tables, entry, new_table(tables, shift));
            CHECK(is_table(format, *entry, shift));
            entry = &table_at(tables->root, tables->root_hpa, *entry)[index_of(from, shift -= 9)];
        }
        CHECK(*entry == 0);
        put(tables, entry, to | attributes(format, rights) | (shift > 12 ? format->large : 0));
        from += 1ull << shift;
        to += 1ull << shift;
    }
}

void stage2_create(struct domain *domain)
{
    domain->arch.stage2 = memory_pages(1);
    domain->arch.stage2_root = kernel_hpa(domain->arch.stage2).value;
    if (domain->config->flags & PARTITION_MANAGEMENT)
        domain->arch.spare_count = SPARE_TABLES_MANAGEMENT;
    else
        domain->arch.spare_count = SPARE_TABLES + (uint32_t)(domain->memory_size >> 30);
    CHECK(domain->arch.spare_count <= STAGE2_SPARE_TABLES_MAX);
    domain->arch.spare_tables = domain->arch.spare_count;
    domain->arch.spare = memory_pages(domain->arch.spare_count);
}

void stage2_map(struct domain *domain, struct ipa ipa, struct hpa hpa, uint64_t length, uint32_t rights)
{
    struct nested_tables tables = {.root = domain->arch.stage2,
                                   .root_hpa = domain->arch.stage2_root,
                                   .format = &vendor->format,
                                   .top_shift = TOP_SHIFT,
                                   .largest_shift = LARGEST_SHIFT};

    nested_map(&tables, ipa.value, hpa.value, length, rights);
}

/* A leaf's translation, said by a table of smaller ones. */
static bool split(struct domain *domain, uint64_t *entry, unsigned shift)
{
    uint64_t leaf = *entry, *table = domain->arch.spare;

    if (domain->arch.spare_count == 0)
        return false;
    domain->arch.split[--domain->arch.spare_count] = entry;
    domain->arch.spare += ENTRIES;
    shift -= 9;
    if (shift == 12)
        leaf &= ~vendor->format.large;
    for (uint64_t i = 0; i < ENTRIES; i++)
        table[i] = leaf + (i << shift);
    __atomic_store_n(entry, kernel_hpa(table).value | vendor->format.table, __ATOMIC_RELEASE);
    return true;
}

bool stage2_overlay(struct domain *domain, struct ipa page, struct hpa with, uint32_t rights)
{
    uint64_t offset = page.value - domain->memory_ipa.value,
             *entry = &domain->arch.stage2[index_of(page.value, TOP_SHIFT)];
    unsigned shift = TOP_SHIFT;

    if (page.value < domain->memory_ipa.value || offset >= domain->memory_size || page.value & (PAGE_SIZE - 1))
        return false;
    while (shift > 12) {
        if (!is_table(&vendor->format, *entry, shift) && !split(domain, entry, shift))
            return false;
        entry = &table_at(domain->arch.stage2, domain->arch.stage2_root, *entry)[index_of(page.value, shift -= 9)];
    }
    if (with.value == 0) {
        with.value = domain->memory.value + offset;
        rights = STAGE2_READ | STAGE2_WRITE | STAGE2_EXECUTE;
    }
    __atomic_store_n(entry, with.value | attributes(&vendor->format, rights), __ATOMIC_RELEASE);
    stage2_invalidate(domain);
    return true;
}

void stage2_overlay_reset(struct domain *domain)
{
    while (domain->arch.spare_count < domain->arch.spare_tables) { /* the last one first */
        uint64_t *entry = domain->arch.split[domain->arch.spare_count++];

        *entry = table_at(domain->arch.stage2, domain->arch.stage2_root, *entry)[0] | vendor->format.large;
        domain->arch.spare -= ENTRIES;
    }
}

/* Other CPUs of the domain have nothing to forget: tables change before a start, of which each has its own, or by
 * stage2_overlay(). */
void stage2_invalidate(struct domain *domain)
{
    CHECK(vcpu_current()->domain == domain);
    vcpu_current()->arch.flush = true;
}
