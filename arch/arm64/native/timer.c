/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual timer as an alarm, and the CPU's random numbers. */
#include "frame.h"
#include <lib/native.h>

#define TIMER_INTERRUPT 27u
#define TIMER_ENABLE 1ull
#define TIMER_MASK 2ull

static struct interrupt_handler timer_handler;
static uint64_t alarm = ~0ull;

/* The alarm only wakes the CPU. Masked, it is over until it is set again. */
static INTERRUPT_CONTEXT void timer_expired(struct interrupt_handler *handler)
{
    (void)handler;
    alarm = ~0ull;
    __asm__ volatile("msr cntv_ctl_el0, %0\n\tisb" ::"r"(TIMER_ENABLE | TIMER_MASK));
}

void counter_alarm(uint64_t count)
{
    bool enabled = interrupt_mask();

    if (count != alarm) {
        alarm = count;
        __asm__ volatile("msr cntv_cval_el0, %0\n\t"
                         "msr cntv_ctl_el0, %1\n\t"
                         "isb" ::"r"(count),
                         "r"(count == ~0ull ? TIMER_ENABLE | TIMER_MASK : TIMER_ENABLE));
    }
    interrupt_restore(enabled);
}

void timer_init(void)
{
    timer_handler.handle = timer_expired;
    timer_handler.name = "timer";
    __asm__ volatile("msr cntv_ctl_el0, %0" ::"r"(TIMER_ENABLE | TIMER_MASK));
    interrupt_register(TIMER_INTERRUPT, true, &timer_handler);
}

bool cpu_random(uint64_t *value)
{
    uint64_t features, random, failed;

    __asm__("mrs %0, id_aa64isar0_el1" : "=r"(features));
    if (features >> 60 == 0)
        return false;
    __asm__ volatile("mrs %0, S3_3_C2_C4_0\n\tcset %1, eq" : "=r"(random), "=r"(failed)::"cc"); /* RNDR */
    if (failed)
        return false;
    *value = random;
    return true;
}
