/* SPDX-License-Identifier: Apache-2.0 */
#include <core/log.h>
#include <core/mmio.h>

struct mmio_table {
    uint32_t count;
    struct mmio_region region[MMIO_REGIONS_MAX]; /* sorted by base, disjoint */
};
static struct mmio_table tables[BULKHEAD_PARTITIONS_MAX];

void mmio_add(struct domain *domain, const struct mmio_region *region)
{
    struct mmio_table *table = &tables[domain->index];
    uint32_t place = table->count;

    CHECK(table->count < MMIO_REGIONS_MAX && region->size != 0 && region->base + region->size > region->base);
    for (; place > 0 && table->region[place - 1].base > region->base; place--)
        table->region[place] = table->region[place - 1];
    table->region[place] = *region;
    table->count++;
    CHECK(place == 0 || table->region[place - 1].base + table->region[place - 1].size <= region->base);
    CHECK(place + 1 == table->count || region->base + region->size <= table->region[place + 1].base);
}

const struct mmio_region *mmio_find(const struct domain *domain, struct ipa address)
{
    struct mmio_table *table = &tables[domain->index];
    uint32_t low = 0, high = table->count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (address.value < table->region[middle].base)
            high = middle;
        else if (address.value - table->region[middle].base < table->region[middle].size)
            return &table->region[middle];
        else
            low = middle + 1;
    }
    return NULL;
}
