/* SPDX-License-Identifier: Apache-2.0 */
/* The Internet checksum (RFC 1071) over pieces of any length. */
#ifndef NET_CHECKSUM_H
#define NET_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct checksum {
    uint32_t sum; /* folded to 16 bits, in memory order */
    bool odd;     /* an odd number of bytes so far */
};

void checksum_add(struct checksum *checksum, const void *data, size_t length);
/* The complemented sum in memory order: store it with memcpy(). */
uint16_t checksum_finish(const struct checksum *checksum);

#endif
