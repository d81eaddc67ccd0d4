/* SPDX-License-Identifier: Apache-2.0 */
#include <core/log.h>
#include <core/mmio.h>

#define RECENT 64 /* a power of two */

struct mmio_table {
    /* By a hash of the page: the region found there last, if any. Set by any CPU; what it names is checked at each use.
     */
    const struct mmio_region *recent[RECENT];
    uint32_t count;
    struct mmio_region region[MMIO_REGIONS_MAX]; /* sorted by base, disjoint */
};
static struct mmio_table tables[BULKHEAD_PARTITIONS_MAX];

void mmio_add(struct domain *domain, const struct mmio_region *region)
{
    struct mmio_table *table = &tables[domain->index];
    uint32_t place = table->count;

    CHECK(table->count < MMIO_REGIONS_MAX && region->size != 0 && region->base + region->size > region->base);
    CHECK(region->base % PAGE_SIZE == 0 && region->size % PAGE_SIZE == 0);
    for (; place > 0 && table->region[place - 1].base > region->base; place--)
        table->region[place] = table->region[place - 1];
    table->region[place] = *region;
    table->count++;
    CHECK(place == 0 || table->region[place - 1].base + table->region[place - 1].size <= region->base);
    CHECK(place + 1 == table->count || region->base + region->size <= table->region[place + 1].base);
}

static const struct mmio_region *search(const struct mmio_table *table, uint64_t address)
{
    uint32_t low = 0, high = table->count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (address < table->region[middle].base)
            high = middle;
        else if (address - table->region[middle].base < table->region[middle].size)
            return &table->region[middle];
        else
            low = middle + 1;
    }
    return NULL;
}

const struct mmio_region *mmio_find(const struct domain *domain, struct ipa address)
{
    struct mmio_table *table = &tables[domain->index];
    uint64_t page = address.value >> 12;
    /* Devices lie 64 KiB apart, or a page, or a megabyte. */
    const struct mmio_region **recent = &table->recent[(page + (page >> 4) + (page >> 12)) % RECENT];
    const struct mmio_region *region = __atomic_load_n(recent, __ATOMIC_RELAXED);

    if (region == NULL || address.value - region->base >= region->size) {
        region = search(table, address.value);
        if (region != NULL)
            __atomic_store_n(recent, region, __ATOMIC_RELAXED);
    }
    return region;
}
