// SPDX-License-Identifier: Apache-2.0
/*
 * A CPU's APIC timer, lent to its guest: programming it does not exit then, and its interrupt is the guest's. The
 * kernel's own deadline of that CPU is the vendor's to keep while the guest runs, and the timer's while the CPU waits;
 * where the vendor cannot, CPU 0 watches it, whose timer is never lent then.
 */
#include "vendor.h"

#include <arch/apic.h>
#include <arch/cpu.h>
#include <arch/timer.h>
#include <core/arch.h>
#include <core/deadline.h>
#include <core/platform.h>

#define WATCHER 0u
#define DIVIDE_SHIFT_MAX 7u
#define LVT_PERIODIC (1u << 17)
#define AHEAD_MAX_NS (60 * NS_PER_S) /* core/deadline.c looks again */

static struct lent_timer {
    bool lent;                /* own CPU */
    uint64_t due_ns;          /* own CPU: what timer_arm() was last told */
    _Atomic uint64_t watched; /* due_ns, while CPU 0 watches it; 0: nothing to watch */
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

/* The TSC at time_ns() `at_ns`, or some time before. */
static uint64_t count_at(uint64_t at_ns)
{
    uint64_t count = timer_count(), now = time_ns(), ns = at_ns > now ? at_ns - now : 0;

    return count + ratio(ns < AHEAD_MAX_NS ? ns : AHEAD_MAX_NS, platform.arch.tsc_hz, NS_PER_S) + 1;
}

bool lent_timer_arm(uint64_t at_ns)
{
    struct vcpu *vcpu = vcpu_current();
    uint32_t cpu = vcpu->cpu;

    timers[cpu].due_ns = at_ns;
    if (!timers[cpu].lent)
        return false;
    if (vendor->deadline != NULL) {
        vendor->deadline(vcpu, at_ns != 0 ? count_at(at_ns) : 0);
        return true;
    }
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
    if (!platform.arch.apic_hz || platform.arch.tsc_deadline || apic_virtualization != NULL || vendor->deadline != NULL ||
        vcpu->cpu == WATCHER || shift > DIVIDE_SHIFT_MAX)
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

bool timer_lend_deadline(uint64_t count)
{
    struct vcpu *vcpu = vcpu_current();

    if (!platform.arch.tsc_deadline || vendor->deadline == NULL || vcpu->arch.tsc_offset != 0)
        return false;
    msr_write(MSR_TSC_DEADLINE, 0);
    interrupts_poll(); /* as above */
    timers[vcpu->cpu].lent = true;
    timer_arm(timers[vcpu->cpu].due_ns);
    msr_write(MSR_TSC_DEADLINE, count);
    vendor->lend_timer(vcpu, true);
    return true;
}

struct timer_counts timer_return(void)
{
    struct vcpu *vcpu = vcpu_current();
    uint64_t due_ns;
    struct timer_counts counts = {0};

    if (vendor->deadline != NULL) {
        counts.deadline = msr_read(MSR_TSC_DEADLINE);
        msr_write(MSR_TSC_DEADLINE, 0);
    } else {
        counts.initial = (uint32_t)msr_read(X2APIC_TIMER_INITIAL);
        counts.current = (uint32_t)msr_read(X2APIC_TIMER_CURRENT);
        msr_write(X2APIC_TIMER_INITIAL, 0);
    }
    interrupts_poll(); /* and here the guest's */
    vendor->lend_timer(vcpu, false);
    if (vendor->deadline != NULL)
        vendor->deadline(vcpu, 0);
    due_ns = timers[vcpu->cpu].due_ns;
    timers[vcpu->cpu].lent = false;
    timers[vcpu->cpu].watched = 0;
    timer_init_cpu(); /* arms nothing */
    timer_arm(due_ns);
    return counts;
}

static bool fired(void)
{
    return msr_read(X2APIC_IRR + VECTOR_TIMER / 32) >> VECTOR_TIMER % 32 & 1;
}

static void wait(void)
{
    asm volatile("sti\n\thlt\n\tcli" ::: "memory"); /* STI takes effect after HLT: none is missed in between */
}

/* The vendor's timer stands still: the lent one is the kernel's in the meantime, if the kernel's deadline is first. */
static __attribute__((noinline)) void wait_for_first(struct lent_timer *own)
{
    uint64_t guests = msr_read(MSR_TSC_DEADLINE);

    if ((guests != 0 && guests <= count_at(own->due_ns)) || fired())
        return wait();
    own->lent = false;
    timer_arm(own->due_ns);
    wait();
    msr_write(MSR_TSC_DEADLINE, 0);
    interrupts_poll();
    own->lent = true;
    timer_arm(own->due_ns);
    msr_write(MSR_TSC_DEADLINE, guests);
}

void cpu_wait(void)
{
    struct lent_timer *own;

    if (vendor->deadline == NULL)
        return wait();
    own = &timers[vcpu_current()->cpu];
    if (own->lent && own->due_ns != 0)
        wait_for_first(own);
    else
        wait();
}
