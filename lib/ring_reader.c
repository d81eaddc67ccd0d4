/* SPDX-License-Identifier: Apache-2.0 */
#include <lib/ring_reader.h>
#include <string.h>

static uint64_t ring_head(const struct byte_ring *ring)
{
    return __atomic_load_n((const uint64_t *)&ring->head, __ATOMIC_ACQUIRE);
}

/* What the writer has overwritten, or may be overwriting, is lost. */
static void skip_lost(struct ring_reader *reader, uint64_t head)
{
    uint32_t size = reader->ring->size;

    if (head - reader->position > size) {
        reader->lost += head - size - reader->position;
        reader->position = head - size;
    }
}

void ring_reader_init(struct ring_reader *reader, const struct byte_ring *ring, bool late)
{
    uint64_t head = ring_head(ring);

    *reader = (struct ring_reader){.ring = ring};
    reader->position = late ? head : head > ring->size ? head - ring->size : 0;
}

bool ring_reader_empty(const struct ring_reader *reader)
{
    return ring_head(reader->ring) == reader->position;
}

size_t ring_reader_read(struct ring_reader *reader, void *buffer, size_t size)
{
    const struct byte_ring *ring = reader->ring;
    uint64_t head = ring_head(ring), start, lost;
    size_t offset, length, first;

    skip_lost(reader, head);
    start = reader->position;
    length = head - start < size ? head - start : size;
    offset = start % ring->size;
    first = length < ring->size - offset ? length : ring->size - offset;
    memcpy(buffer, ring->data + offset, first);
    memcpy((uint8_t *)buffer + first, ring->data, length - first);

    /* The writer may have come round while this was copied: keep only what it had not reached. */
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    skip_lost(reader, ring_head(ring));
    lost = reader->position - start;
    if (lost >= length)
        return 0;
    if (lost)
        memmove(buffer, (uint8_t *)buffer + lost, length - lost);
    reader->position = start + length;
    return length - lost;
}
