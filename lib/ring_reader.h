/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader of the kernel's byte rings (bulkhead/console.h). The writer may overtake it at any time; what was
 * overwritten before or while it was copied is skipped and counted in `lost`.
 */
#ifndef LIB_RING_READER_H
#define LIB_RING_READER_H

#include <bulkhead/console.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring_reader {
    const struct byte_ring *ring;
    uint64_t position; /* of the next byte to read */
    uint64_t lost;
};

/* From the oldest byte that is still there, or (late = true) from now on. */
void ring_reader_init(struct ring_reader *reader, const struct byte_ring *ring, bool late);
/* Copies up to `size` bytes out; 0: nothing new. */
size_t ring_reader_read(struct ring_reader *reader, void *buffer, size_t size);
bool ring_reader_empty(const struct ring_reader *reader);

#endif
