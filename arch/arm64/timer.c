/* SPDX-License-Identifier: Apache-2.0 */
/* Time: the system counter, and the EL2 physical timer (CNTHP) for deadlines. The virtual timer is the guest's. */
#include <arch/timer.h>

#include <arch/sysreg.h>
#include <core/arch.h>
#include <core/deadline.h>
#include <core/platform.h>

#define TIMER_ENABLE 1u

/* Counts to nanoseconds and back, as fixed-point factors with 32 bits after the point. */
static uint64_t ns_per_count, counts_per_ns;

static uint64_t scale(uint64_t value, uint64_t factor)
{
    return (uint64_t)((unsigned __int128)value * factor >> 32);
}

/* UNIX time at system counter time 0, from the board's clock; 0: it has none. */
static uint64_t wall_origin_s;

void timer_init(void)
{
    uint64_t frequency = sysreg_read(cntfrq_el0);

    ns_per_count = (NS_PER_S << 32) / frequency; /* NS_PER_S < 2^30 */
    counts_per_ns = (frequency << 30) / (NS_PER_S >> 2);
    if (platform.clock.value != 0)
        wall_origin_s = *(const volatile uint32_t *)kernel_map_device(platform.clock, 4) - time_ns() / NS_PER_S;
}

uint64_t time_wall_s(void)
{
    return wall_origin_s != 0 ? wall_origin_s + time_ns() / NS_PER_S : 0;
}

uint64_t timer_count(void)
{
    isb(); /* not read ahead of time */
    return sysreg_read(cntpct_el0);
}

uint64_t timer_guest_count(const struct domain *domain)
{
    return timer_count() - domain->arch.counter_offset;
}

uint64_t timer_guest_count_to_ns(const struct domain *domain, uint64_t count)
{
    return scale(count + domain->arch.counter_offset, ns_per_count) + 1;
}

uint64_t time_ns(void)
{
    return scale(timer_count(), ns_per_count);
}

void timer_arm(uint64_t at_ns)
{
    if (at_ns == 0) {
        sysreg_write(cnthp_ctl_el2, 0);
        return;
    }
    sysreg_write(cnthp_cval_el2, scale(at_ns, counts_per_ns) + 1);
    sysreg_write(cnthp_ctl_el2, TIMER_ENABLE);
}
