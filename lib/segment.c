/* SPDX-License-Identifier: Apache-2.0 */
#include <lib/segment.h>
#include <stdint.h>
#include <string.h>

size_t segments_read(const struct segment *segments, uint32_t count, size_t offset, void *to, size_t length)
{
    size_t done = 0;

    for (uint32_t i = 0; i < count && done < length; i++) {
        size_t piece;

        if (offset >= segments[i].length) {
            offset -= segments[i].length;
            continue;
        }
        piece = segments[i].length - offset;
        if (piece > length - done)
            piece = length - done;
        memcpy((uint8_t *)to + done, (const uint8_t *)segments[i].base + offset, piece);
        done += piece;
        offset = 0;
    }
    return done;
}

size_t segments_write(const struct segment *segments, uint32_t count, size_t offset, const void *from, size_t length)
{
    size_t done = 0;

    for (uint32_t i = 0; i < count && done < length; i++) {
        size_t piece;

        if (offset >= segments[i].length) {
            offset -= segments[i].length;
            continue;
        }
        piece = segments[i].length - offset;
        if (piece > length - done)
            piece = length - done;
        memcpy((uint8_t *)segments[i].base + offset, (const uint8_t *)from + done, piece);
        done += piece;
        offset = 0;
    }
    return done;
}
