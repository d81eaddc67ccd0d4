// SPDX-License-Identifier: Apache-2.0
/* Starts its watchdog and never feeds it: the kernel ends it with CAUSE_WATCHDOG (issue 2, point 14). */
#include "support/guest.h"

void guest_main(void)
{
    interrupts_off();
    check(watchdog_start_ms(250), "the watchdog runs");
    wait_ms(60000);
    check(false, "the watchdog has expired long ago");
}
