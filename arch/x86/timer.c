// SPDX-License-Identifier: Apache-2.0
/* Time: the TSC; and the local APIC's timer for deadlines. */
#include <arch/apic.h>
#include <arch/timer.h>
#include <core/arch.h>
#include <core/deadline.h>
#include <core/platform.h>

void timer_init_cpu(void)
{
    msr_write(X2APIC_TIMER_DIVIDE, TIMER_DIVIDE);
    msr_write(X2APIC_LVT_TIMER, VECTOR_TIMER | (platform.arch.tsc_deadline ? LVT_TSC_DEADLINE : 0));
    timer_arm(0);
}

uint64_t time_wall_s(void)
{
    return platform.arch.wall_origin_s ? platform.arch.wall_origin_s + time_ns() / NS_PER_S : 0;
}

uint64_t time_ns(void)
{
    return scale_to_ns(&platform.arch.tsc_scale, timer_count());
}

uint64_t timer_guest_count(const struct domain *domain)
{
    return timer_count() + domain->arch.counter_offset;
}

uint64_t timer_guest_count_to_ns(const struct domain *domain, uint64_t count)
{
    uint64_t tsc = count - domain->arch.counter_offset;
    uint64_t ns = tsc < count ? UINT64_MAX : scale_to_ns(&platform.arch.tsc_scale, tsc); /* the offset is negative */

    return ns + (ns != UINT64_MAX);
}

static void arm_by_count(uint64_t at_ns)
{
    uint64_t now = time_ns(), counts;

    if (at_ns == 0)
        return msr_write(X2APIC_TIMER_INITIAL, 0);
    counts = at_ns > now ? scale_by(at_ns - now, platform.arch.apic_counts_per_ns) : 0;
    msr_write(X2APIC_TIMER_INITIAL,
              counts < UINT32_MAX ? counts + 1 : UINT32_MAX); /* early: core/deadline.c looks again */
}

void timer_arm(uint64_t at_ns)
{
    if (lent_timer_arm(at_ns))
        return;
    if (!platform.arch.tsc_deadline)
        return arm_by_count(at_ns);
    msr_write(MSR_TSC_DEADLINE, at_ns ? scale_to_count(&platform.arch.tsc_scale, at_ns) : 0);
}
