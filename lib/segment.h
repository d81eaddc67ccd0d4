/* SPDX-License-Identifier: Apache-2.0 */
/* A piece of memory, one of several that make a packet or a request. */
#ifndef LIB_SEGMENT_H
#define LIB_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

struct segment {
    void *base;
    size_t length;
};

/* Copies out of and into segments, `offset` bytes in; returns how many bytes there were. */
size_t segments_read(const struct segment *segments, uint32_t count, size_t offset, void *to, size_t length);
size_t segments_write(const struct segment *segments, uint32_t count, size_t offset, const void *from, size_t length);

#endif
