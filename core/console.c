/* SPDX-License-Identifier: Apache-2.0 */
#include <core/arch.h>
#include <core/channel.h>
#include <core/console.h>
#include <core/log.h>
#include <core/memory.h>

static struct byte_ring *rings[BULKHEAD_CONSOLES_MAX];
static struct spinlock locks[BULKHEAD_CONSOLES_MAX];

uint64_t console_ring_bytes(void)
{
    return (sizeof(struct byte_ring) + BULKHEAD_CONSOLE_RING_SIZE + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

void console_init(void)
{
    CHECK(console_count <= BULKHEAD_CONSOLES_MAX);
    for (uint32_t i = 0; i < console_count; i++) {
        rings[i] = memory_pages(console_ring_bytes() / PAGE_SIZE);
        rings[i]->size = BULKHEAD_CONSOLE_RING_SIZE;
        rings[i]->magic = RING_MAGIC;
    }
}

struct byte_ring *console_ring(uint32_t index)
{
    return index < console_count ? rings[index] : NULL;
}

struct hpa console_ring_page(uint32_t index)
{
    return kernel_hpa(console_ring(index));
}

void console_write(uint32_t index, const void *data, uint32_t length)
{
    struct byte_ring *ring = console_ring(index);
    const uint8_t *bytes = data;

    if (ring == NULL)
        return;
    spinlock_acquire(&locks[index]);

    uint64_t head = ring->head;

    for (uint32_t i = 0; i < length; i++)
        ring->data[(head + i) % BULKHEAD_CONSOLE_RING_SIZE] = bytes[i];
    __atomic_store_n((uint64_t *)&ring->head, head + length, __ATOMIC_RELEASE);
    spinlock_release(&locks[index]);
    channel_ring_system(DOORBELL_CONSOLE);
}
