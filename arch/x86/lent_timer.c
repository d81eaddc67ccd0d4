// SPDX-License-Identifier: Apache-2.0
/*
 * A CPU's APIC timer, lent to its guest: programming it does not exit then, and its interrupt is the guest's. The
 * kernel's own deadlines of that CPU are watched by CPU 0, whose timer is never lent.
 */
#include "vendor.h"

#include <arch/apic.h>
#include <arch/boot.h>
#include <arch/cpu.h>
#include <arch/timer.h>
#include <core/arch.h>
#include <core/deadline.h>
#include <core/platform.h>

#define WATCHER 0u
#define DIVIDE_SHIFT_MAX 7u
#define LVT_PERIODIC (1u << 17)

static struct {
    bool lent;                /* own CPU */
    uint64_t due_ns;          /* own CPU: what timer_arm() was last told */
    _Atomic uint64_t watched; /* due_ns, while lent; 0: nothing to watch */
} timers[BULKHEAD_CPUS_MAX];
static struct deadline watch;

static void rearm(void);

/* On CPU 0. */
static void watch_expired(struct deadline *deadline)
{
    uint64_t now = time_ns();

    (void)deadline;
    for (uint32_t cpu = 0; cpu < platform.cpu_count; cpu++) {
        uint64_t due = timers[cpu].watched;

        if (due != 0 && due <= now &&
            __atomic_compare_exchange_n((uint64_t *)&timers[cpu].watched, &due, 0, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED))
            apic_send(cpu, VECTOR_DEADLINE);
    }
    rearm();
}

static void rearm(void)
{
    uint64_t first = 0;

    for (uint32_t cpu = 0; cpu < platform.cpu_count; cpu++) {
        uint64_t due = timers[cpu].watched;

        if (due != 0 && (first == 0 || due < first))
            first = due;
    }
    watch.expired = watch_expired;
    if (first != 0)
        deadline_set(&watch, first);
    else
        deadline_cancel(&watch);
}

void lent_timer_look(void)
{
    if (vcpu_current()->cpu == WATCHER)
        rearm();
    else
        deadline_interrupt();
}

bool lent_timer_arm(uint64_t at_ns)
{
    uint32_t cpu = vcpu_current()->cpu;

    timers[cpu].due_ns = at_ns;
    if (!timers[cpu].lent)
        return false;
    timers[cpu].watched = at_ns;
    if (at_ns != 0)
        apic_send(WATCHER, VECTOR_DEADLINE);
    return true;
}

bool timer_is_lent(void)
{
    return timers[vcpu_current()->cpu].lent;
}

void timer_lent_stop(void)
{
    msr_write(X2APIC_TIMER_INITIAL, 0);
}

/* The divide configuration for a divisor of 1 << shift. */
static uint32_t divide_code(uint32_t shift)
{
    uint32_t code = (shift - 1) & 7;

    return (code & 3) | (code & 4) << 1;
}

bool timer_lend(bool periodic, uint32_t shift, uint32_t count)
{
    struct vcpu *vcpu = vcpu_current();

    shift += TIMER_GUEST_SHIFT;
    if (!platform.arch.apic_hz || platform.arch.tsc_deadline || vendor->lend_timer == NULL || vcpu->cpu == WATCHER ||
        shift > DIVIDE_SHIFT_MAX)
        return false;
    msr_write(X2APIC_TIMER_INITIAL, 0);
    interrupts_poll(); /* an interrupt that is on its way is still the kernel's */
    msr_write(X2APIC_TIMER_INITIAL, 0);
    timers[vcpu->cpu].lent = true;
    timer_arm(timers[vcpu->cpu].due_ns);
    msr_write(X2APIC_TIMER_DIVIDE, divide_code(shift));
    msr_write(X2APIC_LVT_TIMER, VECTOR_TIMER | (periodic ? LVT_PERIODIC : 0));
    msr_write(X2APIC_TIMER_INITIAL, count);
    vendor->lend_timer(vcpu, true);
    return true;
}

struct timer_counts timer_return(void)
{
    struct vcpu *vcpu = vcpu_current();
    uint64_t due_ns;
    struct timer_counts counts = {(uint32_t)msr_read(X2APIC_TIMER_INITIAL), (uint32_t)msr_read(X2APIC_TIMER_CURRENT)};

    msr_write(X2APIC_TIMER_INITIAL, 0);
    interrupts_poll(); /* and here the guest's */
    vendor->lend_timer(vcpu, false);
    due_ns = timers[vcpu->cpu].due_ns;
    timers[vcpu->cpu].lent = false;
    timers[vcpu->cpu].watched = 0;
    timer_init_cpu(); /* arms nothing */
    timer_arm(due_ns);
    return counts;
}
