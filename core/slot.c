// SPDX-License-Identifier: Apache-2.0
#include <core/arch.h>
#include <core/deadline.h>
#include <core/log.h>
#include <core/slot.h>
#include <core/spinlock.h>

#define READABLE_S 30u

void slot_refused(void)
{
    uint64_t until = time_ns() + READABLE_S * 1000000000ull;

    log_line(
        "BAD SLOT: nothing of the bundle is used, no domain is started. A reset follows in %u s, for the other slot",
        READABLE_S);
    while (time_ns() < until)
        cpu_relax();
    machine_reset();
}
