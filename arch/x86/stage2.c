// SPDX-License-Identifier: Apache-2.0
/* Nested paging: one tree of four levels a domain, built at boot, in the vendor's format (NPT or EPT). */
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

static uint64_t attributes(uint32_t rights)
{
    const struct nested_format *format = &vendor->format;
    uint64_t value = rights & STAGE2_DEVICE ? format->device : format->normal;

    value |= rights & STAGE2_READ ? format->read : 0;
    value |= rights & STAGE2_WRITE ? format->write : 0;
    value |= rights & STAGE2_EXECUTE ? format->execute : format->no_execute;
    return value;
}

static bool is_table(uint64_t entry, unsigned shift)
{
    return entry != 0 && shift > 12 && !(entry & vendor->format.large);
}

static unsigned index_of(uint64_t address, unsigned shift)
{
    return address >> shift & (ENTRIES - 1);
}

/* Tables are kernel memory, of which the hpa and the virtual address differ by a constant. */
static uint64_t *table_at(const struct domain *domain, uint64_t entry)
{
    return (uint64_t *)((uint64_t)domain->arch.stage2 + ((entry & ADDRESS_MASK) - domain->arch.stage2_root));
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
    uint64_t from = ipa.value, to = hpa.value, end = from + length;

    CHECK(((from | to | length) & (PAGE_SIZE - 1)) == 0 && end >= from && end >> (TOP_SHIFT + 9) == 0);
    while (from < end) {
        uint64_t *entry = &domain->arch.stage2[index_of(from, TOP_SHIFT)];
        unsigned shift = TOP_SHIFT;

        while (shift > LARGEST_SHIFT || (shift > 12 && (((from | to) & ((1ull << shift) - 1)) != 0 ||
                                                        end - from < 1ull << shift || *entry != 0))) {
            if (*entry == 0)
                *entry = kernel_hpa(memory_pages(1)).value | vendor->format.table;
            CHECK(is_table(*entry, shift));
            entry = &table_at(domain, *entry)[index_of(from, shift -= 9)];
        }
        CHECK(*entry == 0);
        *entry = to | attributes(rights) | (shift > 12 ? vendor->format.large : 0);
        from += 1ull << shift;
        to += 1ull << shift;
    }
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
        if (!is_table(*entry, shift) && !split(domain, entry, shift))
            return false;
        entry = &table_at(domain, *entry)[index_of(page.value, shift -= 9)];
    }
    if (with.value == 0) {
        with.value = domain->memory.value + offset;
        rights = STAGE2_READ | STAGE2_WRITE | STAGE2_EXECUTE;
    }
    __atomic_store_n(entry, with.value | attributes(rights), __ATOMIC_RELEASE);
    stage2_invalidate(domain);
    return true;
}

void stage2_overlay_reset(struct domain *domain)
{
    while (domain->arch.spare_count < domain->arch.spare_tables) { /* the last one first */
        uint64_t *entry = domain->arch.split[domain->arch.spare_count++];

        *entry = table_at(domain, *entry)[0] | vendor->format.large;
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
