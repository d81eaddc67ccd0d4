/* SPDX-License-Identifier: Apache-2.0 */
/* The local APIC's timer as an alarm (Intel SDM volume 3, 11.5.4), and the CPU's random numbers. */
#include "frame.h"
#include <lib/tree.h>

#define MSR_X2APIC_LVT_TIMER 0x832
#define LVT_TSC_DEADLINE 0x40000u
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2APIC_INITIAL 0x838
#define MSR_X2APIC_DIVIDE 0x83e
#define DIVIDE_BY_1 0xbu
#define RANDOM_TRIES 10u

static struct interrupt_handler timer_handler;
static uint64_t alarm = ~0ull;
static uint64_t frequency;
static uint64_t one_shot_frequency; /* 0: the timer has TSC deadlines */

uint64_t counter_frequency(void)
{
    return frequency;
}

/* The alarm only wakes the CPU. Once it was, it is over until it is set again. */
static INTERRUPT_CONTEXT void timer_expired(struct interrupt_handler *handler)
{
    (void)handler;
    alarm = ~0ull;
}

/* Too early is allowed, so that more than 32 bits are not needed. */
static void one_shot(uint64_t count)
{
    uint64_t now = counter_read(), left = count > now ? count - now : 0, second = left / frequency;
    uint64_t ticks = second ? one_shot_frequency : left * one_shot_frequency / frequency + 1;

    msr_write(MSR_X2APIC_INITIAL, count == ~0ull ? 0 : ticks < UINT32_MAX ? ticks : UINT32_MAX);
}

void counter_alarm(uint64_t count)
{
    bool enabled = interrupt_mask();

    if (count != alarm) {
        alarm = count;
        if (one_shot_frequency)
            one_shot(count);
        else
            msr_write(MSR_TSC_DEADLINE, count == ~0ull ? 0 : count);
    }
    interrupt_restore(enabled);
}

void timer_init(void)
{
    frequency = tree_number(tree_path("/timer"), "timebase-frequency", 0);
    timer_handler.handle = timer_expired;
    timer_handler.name = "timer";
    interrupt_take(VECTOR_TIMER, &timer_handler);
    if (cpuid(1).ecx & CPUID_1_ECX_TSC_DEADLINE) {
        msr_write(MSR_X2APIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
        return;
    }
    one_shot_frequency = tree_number(tree_path("/timer"), "clock-frequency", 0);
    if (!frequency || !one_shot_frequency)
        panic("the local APIC's timer has no TSC deadline");
    msr_write(MSR_X2APIC_DIVIDE, DIVIDE_BY_1);
    msr_write(MSR_X2APIC_LVT_TIMER, VECTOR_TIMER);
}

bool cpu_random(uint64_t *value)
{
    static int present = -1; /* CPUID is an exit: once */
    bool good = false;

    if (present < 0)
        present = (cpuid(1).ecx & CPUID_1_ECX_RDRAND) != 0;
    for (uint32_t try = 0; present && !good && try < RANDOM_TRIES; try++)
        __asm__ volatile("rdrand %0" : "=r"(*value), "=@ccc"(good));
    return good;
}
