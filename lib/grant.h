/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest's partition grants to its back-ends: one range of the guest's addresses, mapped into this domain. */
#ifndef LIB_GRANT_H
#define LIB_GRANT_H

#include <stddef.h>
#include <stdint.h>

struct grant {
    uint64_t guest_base; /* ipa of the range in the guest */
    uint64_t size;       /* bytes; 0: nothing is granted */
    uint8_t *base;       /* where this domain sees it */
};

/* This domain's address of [address, address + length) of the guest; NULL when a byte of it is not granted. A length of
 * 0 is granted wherever the address itself is. */
static inline void *grant_translate(const struct grant *grant, uint64_t address, uint64_t length)
{
    uint64_t offset = address - grant->guest_base;

    if (offset >= grant->size || length > grant->size - offset)
        return NULL;
    return grant->base + offset;
}

#endif
