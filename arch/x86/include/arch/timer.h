/* SPDX-License-Identifier: Apache-2.0 */
/* Time is the TSC; the kernel's own timer is the local APIC's (timer.c). */
#ifndef ARCH_TIMER_H
#define ARCH_TIMER_H

#include <core/vcpu.h>

void timer_init_cpu(void); /* each CPU, APIC on */
/* Own CPU: interrupt at time_ns() `at_ns`, or at once if that has passed; 0: never. */
void timer_arm(uint64_t at_ns);
/*
 * Own CPU (lent_timer.c): the vCPU uses the CPU's count-down timer itself from here on, without exits, in units of
 * guest_apic_hz >> shift; it begins at `count`. False: it cannot be lent. timer_return() takes it back.
 */
struct timer_counts {
    uint32_t initial, current;
    uint64_t deadline;
};
bool timer_lend(bool periodic, uint32_t shift, uint32_t count);
bool timer_lend_deadline(uint64_t count); /* likewise the TSC deadline, where the guest's TSC is the CPU's */
struct timer_counts timer_return(void);
bool timer_is_lent(void);
void timer_lent_stop(void); /* it does not fire again until somebody programs it */
void lent_timer_look(void);           /* VECTOR_DEADLINE has come */
bool lent_timer_arm(uint64_t at_ns);  /* timer_arm(): true if that is all */
#define TIMER_DIVIDE 3u      /* code of the divisor by which the kernel uses it: */
#define TIMER_DIVISOR 16u
#define TIMER_GUEST_SHIFT 3u /* guests are told an eighth of the frequency, since Linux counts to 2^23 only */
/* The TSC as a domain sees it, and the time_ns() at which it will have passed `count` of it. */
uint64_t timer_guest_count(const struct domain *domain);
uint64_t timer_guest_count_to_ns(const struct domain *domain, uint64_t count);

static inline uint64_t timer_count(void)
{
    return __builtin_ia32_rdtsc();
}

#endif
