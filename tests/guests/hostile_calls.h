/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_GUESTS_HOSTILE_CALLS_H
#define TESTS_GUESTS_HOSTILE_CALLS_H

#include "support/guest.h"

static inline bool is_unknown(uint64_t x0)
{
    return (int64_t)x0 == -1 || x0 == 0xffffffff;
}

/* <architecture>/firmware_calls.c: PSCI and SMC, or the processor's other ways of calling. */
void firmware_calls(void);

#endif
