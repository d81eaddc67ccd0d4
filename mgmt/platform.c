/* SPDX-License-Identifier: Apache-2.0 */
#include <bulkhead/partition.h>
#include <lib/native.h>
#include <lib/tree.h>
#include <mgmt/platform.h>

static const struct status_page *status;
static const struct byte_ring *log_ring;
static const struct byte_ring *console_rings[BULKHEAD_CONSOLES_MAX];
static const volatile uint8_t *channel_pages[BULKHEAD_CHANNELS_MAX];
static struct doorbell_page *doorbell;
static uint32_t doorbell_interrupt;
static struct platform_grant grants[BULKHEAD_PARTITIONS_MAX];

const struct status_page *platform_status(void)
{
    return status;
}
const struct byte_ring *platform_log_ring(void)
{
    return log_ring;
}
struct doorbell_page *platform_doorbell(void)
{
    return doorbell;
}
uint32_t platform_doorbell_interrupt(void)
{
    return doorbell_interrupt;
}

const struct byte_ring *platform_console_ring(uint32_t index)
{
    return index < BULKHEAD_CONSOLES_MAX ? console_rings[index] : NULL;
}

const volatile uint8_t *platform_channel_page(uint32_t channel)
{
    return channel < BULKHEAD_CHANNELS_MAX ? channel_pages[channel] : NULL;
}

const struct platform_grant *platform_grant(uint32_t partition)
{
    static const struct platform_grant none;

    return partition < BULKHEAD_PARTITIONS_MAX ? &grants[partition] : &none;
}

/* What the kernel must have given us, mapped. */
static void *shared(uint64_t address, uint64_t bytes, const char *name, enum memory_kind kind)
{
    if (!address || !bytes || address % sizeof(uint64_t))
        panic("the kernel has not said where the %s is", name);
    memory_map(address, bytes, kind);
    return (void *)address;
}

static const struct byte_ring *shared_ring(uint64_t address, uint64_t bytes, const char *name, uint32_t index)
{
    const struct byte_ring *ring = shared(address, bytes, name, MEMORY_READ_ONLY);

    if (bytes < sizeof *ring || ring->magic != RING_MAGIC || ring->size == 0 || ring->size & (ring->size - 1) ||
        ring->size > bytes - sizeof *ring)
        panic("the ring %s %u is damaged", name, index);
    return ring;
}

/* The memory of those whose devices are served; a domain that is absent has none. */
static void find_grants(void)
{
    for (uint32_t i = 0; i < channel_count; i++) {
        const struct domain_status *front = &status->domain[channels[i].front];
        struct platform_grant *grant = &grants[channels[i].front];

        if (grant->size || !front->memory_size)
            continue;
        memory_map(front->memory_hpa, front->memory_size, MEMORY_DATA);
        *grant = (struct platform_grant){
            .guest_base = front->memory_ipa,
            .size = front->memory_size,
            .local = (uint8_t *)front->memory_hpa,
        };
    }
}

void platform_init(void)
{
    int node = tree_path("/bulkhead");
    const struct status_shared *places;

    status = shared(tree_reg(node, 0).base, sizeof *status, "status page", MEMORY_READ_ONLY);
    if (status->magic != STATUS_MAGIC)
        panic("the status page is damaged");
    places = &status->shared;
    doorbell = shared(places->doorbell, sizeof *doorbell, "doorbell", MEMORY_DATA);
    doorbell_interrupt = tree_interrupt(node, 0, NULL);
    log_ring = shared_ring(places->log, places->log_bytes, "log", 0);
    for (uint32_t i = 0; i < console_count; i++)
        console_rings[i] = shared_ring(places->console[i], places->console_bytes, "console", i);
    for (uint32_t i = 0; i < channel_count; i++)
        channel_pages[i] = shared(places->channel[i], 4096, "channel", MEMORY_READ_ONLY);
    find_grants();
}
