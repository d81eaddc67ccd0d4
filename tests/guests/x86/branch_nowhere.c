// SPDX-License-Identifier: Apache-2.0
/* Jumps to nowhere with its exceptions nowhere as well: a triple fault (issue 2, point 7). */
#include "tests/guests/support/guest.h"

void guest_main(void)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } nothing = {0, 0};

    interrupts_start();
    interrupt_enable(TIMER_INTERRUPT);
    timer_after_ms(50);
    check(true, "leaving");
    __asm__ volatile("lidt %0\n\tjmp *%1" ::"m"(nothing), "r"(WINDOW_UNMAPPED));
}
