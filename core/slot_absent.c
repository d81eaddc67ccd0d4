// SPDX-License-Identifier: Apache-2.0
/* A boot chain without slots. */
#include <core/log.h>
#include <core/slot.h>

uint32_t slot_version_minimum(void)
{
    return 0;
}

void slot_refused(void)
{
    log_line(
        "BAD SLOT: nothing of the bundle is used, no domain is started. There is no other slot: waiting for a reset");
}
