// SPDX-License-Identifier: Apache-2.0
/* Starts its watchdog and never feeds it: the kernel ends it with CAUSE_WATCHDOG (issue 2, point 14). */
#include "support/guest.h"

#define CONTROL_WCS 0x00
#define CONTROL_WOR 0x08

void guest_main(void)
{
    uint64_t hertz;

    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hertz));
    interrupts_off();
    write32(GUEST_WATCHDOG_CONTROL + CONTROL_WOR, (uint32_t)(hertz / 4));
    write32(GUEST_WATCHDOG_CONTROL + CONTROL_WCS, 1);
    check((read32(GUEST_WATCHDOG_CONTROL + CONTROL_WCS) & 1) != 0, "the watchdog runs");
    wait_ms(60000);
    check(false, "the watchdog has expired long ago");
}
