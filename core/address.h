/* SPDX-License-Identifier: Apache-2.0 */
/* Address newtypes: mixing host physical with guest physical addresses does not compile. */
#ifndef CORE_ADDRESS_H
#define CORE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hpa {
    uint64_t value;
}; /* host physical */
struct ipa {
    uint64_t value;
}; /* intermediate (guest) physical */

static inline struct hpa hpa(uint64_t value)
{
    return (struct hpa){value};
}
static inline struct ipa ipa(uint64_t value)
{
    return (struct ipa){value};
}

#define PAGE_SIZE 4096ul
#define MIB (1024ul * 1024)

#endif
