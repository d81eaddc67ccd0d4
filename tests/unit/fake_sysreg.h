/* SPDX-License-Identifier: Apache-2.0 */
/* In the place of arch/sysreg.h: the test says what registers hold. */
#ifndef ARCH_SYSREG_H
#define ARCH_SYSREG_H

#include <stdint.h>

uint64_t fake_sysreg(const char *name);
#define sysreg_read(name) fake_sysreg(#name)

static inline uint64_t field(uint64_t value, unsigned shift, unsigned width)
{
    return value >> shift & ((1ull << width) - 1);
}

#endif
