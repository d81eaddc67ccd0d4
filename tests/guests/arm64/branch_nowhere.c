// SPDX-License-Identifier: Apache-2.0
/* Jumps to nowhere with its vectors nowhere as well: aborts without end, which nobody else notices (issue 2, point 7).
 */
#include "tests/guests/support/guest.h"

void guest_main(void)
{
    gic_start();
    gic_enable(27);
    timer_after_ms(50);
    check(true, "leaving");
    __asm__ volatile("msr vbar_el1, %0\n\tisb\n\tbr %1" ::"r"(WINDOW_36_BITS), "r"(WINDOW_36_BITS + 0x1000));
}
