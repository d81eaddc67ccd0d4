/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings of bytes in kernel memory, shared read-only with the management domain: one a domain console, one for the
 * kernel log. The writer never waits: the oldest bytes are overwritten. `head` counts every byte ever written; byte i
 * (i < head, i >= head - size) stands at data[i % size]. A reader keeps its own position; a late reader starts at
 * max(0, head - size). The log's ring survives a warm reset, when its header still checks out.
 */
#ifndef BULKHEAD_CONSOLE_H
#define BULKHEAD_CONSOLE_H

#include <bulkhead/limits.h>
#include <stdint.h>

#define RING_MAGIC 0x676e6952u /* "Ring" */

struct byte_ring {
    uint32_t magic;
    uint32_t size; /* a power of two */
    _Atomic uint64_t head;
    uint64_t reserved[6];
    uint8_t data[];
};

#endif
