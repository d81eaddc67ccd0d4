/* SPDX-License-Identifier: Apache-2.0 */
#include <arch/pio.h>
#include <core/log.h>
#include <core/memory.h>
#include <string.h>

struct pio_table {
    uint32_t count;
    struct pio_region region[PIO_REGIONS_MAX];
};
static struct pio_table tables[BULKHEAD_PARTITIONS_MAX];

void pio_add(struct domain *domain, const struct pio_region *region)
{
    struct pio_table *table = &tables[domain->index];

    CHECK(table->count < PIO_REGIONS_MAX && region->count != 0 && region->base + region->count <= 0x10000);
    table->region[table->count++] = *region;
}

void pio_pass_through(struct domain *domain, uint16_t base, uint16_t count)
{
    if (domain->arch.ports == NULL) {
        domain->arch.ports = memory_pages(3);
        memset(domain->arch.ports, 0xff, 3 * PAGE_SIZE);
    }
    for (uint32_t port = base; port < (uint32_t)base + count; port++)
        domain->arch.ports[port / 8] &= (uint8_t) ~(1u << port % 8);
}

static const struct pio_region *find(const struct domain *domain, uint32_t port)
{
    const struct pio_table *table = &tables[domain->index];

    for (uint32_t i = 0; i < table->count; i++)
        if (port - table->region[i].base < table->region[i].count)
            return &table->region[i];
    return NULL;
}

bool pio_access(struct vcpu *vcpu, uint16_t port, uint8_t width, bool in, uint32_t *value)
{
    uint32_t result = UINT32_MAX >> (32 - 8 * width);
    bool answered = false;

    for (uint32_t i = 0; i < width; i++) {
        const struct pio_region *region = find(vcpu->domain, port + i);
        uint16_t offset;

        if (region == NULL)
            continue;
        offset = (uint16_t)(port + i - region->base);
        answered = true;
        if (in)
            result = (result & ~(0xffu << 8 * i)) | (uint32_t)region->read(vcpu, region->device, offset) << 8 * i;
        else
            region->write(vcpu, region->device, offset, (uint8_t)(*value >> 8 * i));
    }
    if (in)
        *value = result;
    return answered;
}
