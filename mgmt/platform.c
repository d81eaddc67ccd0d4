/* SPDX-License-Identifier: Apache-2.0 */
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

/* The index-th range of a node the kernel must have given us, mapped. */
static void *shared(int node, const char *name, uint32_t index, uint64_t least, enum memory_kind kind)
{
    struct tree_range range = tree_reg(node, index);

    if (range.size < least || range.base % sizeof(uint64_t))
        panic("the device tree's %s is missing or too small", name);
    memory_map(range.base, range.size, kind);
    return (void *)range.base;
}

static const struct byte_ring *shared_ring(int node, const char *name, uint32_t index)
{
    const struct byte_ring *ring = shared(node, name, index, sizeof *ring, MEMORY_READ_ONLY);
    uint64_t room = tree_reg(node, index).size - sizeof *ring;

    if (ring->magic != RING_MAGIC || ring->size == 0 || ring->size & (ring->size - 1) || ring->size > room)
        panic("the ring %s %u is damaged", name, index);
    return ring;
}

static void find_grants(void)
{
    for (int node = -1; (node = tree_compatible(node, "bulkhead,grant")) >= 0;) {
        uint64_t partition = tree_number(node, "bulkhead,partition", BULKHEAD_PARTITIONS_MAX);
        struct tree_range memory = tree_reg(node, 0);

        if (partition >= BULKHEAD_PARTITIONS_MAX || !memory.size)
            panic("the device tree has a bad grant");
        memory_map(memory.base, memory.size, MEMORY_DATA);
        grants[partition] = (struct platform_grant){
            .guest_base = tree_number(node, "bulkhead,guest-base", 0),
            .size = memory.size,
            .local = (uint8_t *)memory.base,
        };
    }
}

void platform_init(void)
{
    int node = tree_path("/bulkhead/doorbell");

    status = shared(tree_path("/bulkhead/status"), "status", 0, sizeof *status, MEMORY_READ_ONLY);
    if (status->magic != STATUS_MAGIC)
        panic("the status page is damaged");
    doorbell = shared(node, "doorbell", 0, sizeof *doorbell, MEMORY_DATA);
    doorbell_interrupt = tree_interrupt(node, 0, NULL);
    log_ring = shared_ring(tree_path("/bulkhead/log"), "log", 0);
    node = tree_path("/bulkhead/consoles");
    for (uint32_t i = 0; i < BULKHEAD_CONSOLES_MAX && tree_reg(node, i).size; i++)
        console_rings[i] = shared_ring(node, "console", i);
    node = tree_path("/bulkhead/channels");
    for (uint32_t i = 0; i < BULKHEAD_CHANNELS_MAX && tree_reg(node, i).size; i++)
        channel_pages[i] = shared(node, "channel", i, 4096, MEMORY_READ_ONLY);
    find_grants();
}
