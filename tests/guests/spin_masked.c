// SPDX-License-Identifier: Apache-2.0
/* Spins with interrupts masked while one is pending: CAUSE_NO_PROGRESS where the partition asks (issue 2, point 14). */
#include "support/guest.h"

void guest_main(void)
{
    interrupts_start();
    interrupt_enable(TIMER_INTERRUPT);
    interrupts_off();
    timer_after_ms(50);
    check(true, "spinning");
    wait_ms(120000);
    check(false, "it was left alone for two minutes");
}
