// SPDX-License-Identifier: Apache-2.0
/* Time: the TSC, whose frequency CPUID tells or the ACPI timer or HPET; and the local APIC's timer for deadlines. */
#include <arch/timer.h>

#include <arch/apic.h>
#include <arch/boot.h>
#include <arch/cpu.h>
#include <core/arch.h>
#include <core/deadline.h>
#include <core/platform.h>

#define NS_PER_S 1000000000ull
#define FS_PER_S 1000000000000000ull
#define PM_TIMER_HZ 3579545u
#define HPET_PERIOD 4u /* bits 32.. of its capabilities: femtoseconds a tick */
#define HPET_CONFIGURATION 0x10u
#define HPET_COUNTER 0xf0u
#define CALIBRATIONS_A_S 50u /* it takes 20 ms */
#define DIVIDE_BY_16 3u
#define TSC_HZ_MIN 20000000u /* more than the 10 MHz in which guests are told the time */
#define APIC_DIVISOR 16u
#define GUEST_APIC_HZ 125000000u /* where the kernel emulates their timers anyway */

/* Counts to nanoseconds and back, as fixed-point factors with 32 bits after the point. */
static uint64_t ns_per_count, counts_per_ns, apic_counts_per_ns;
static uint64_t wall_origin_s; /* UNIX time at time_ns() 0; 0: the machine has no clock */
static const volatile uint8_t *hpet;

static uint64_t scale(uint64_t value, uint64_t factor)
{
    return (uint64_t)((unsigned __int128)value * factor >> 32);
}

static uint32_t reference_read(void)
{
    if (platform.arch.pm_timer_port)
        return port_read32(platform.arch.pm_timer_port);
    return *(const volatile uint32_t *)(hpet + HPET_COUNTER);
}

/* The reference's frequency, or 0: there is none. */
static uint64_t reference_init(uint32_t *mask)
{
    uint32_t period;

    *mask = UINT32_MAX;
    if (platform.arch.pm_timer_port) {
        *mask = platform.arch.pm_timer_32 ? UINT32_MAX : 0xffffff;
        return PM_TIMER_HZ;
    }
    if (!platform.arch.hpet.value)
        return 0;
    hpet = kernel_map_device(platform.arch.hpet, PAGE_SIZE);
    *(volatile uint32_t *)(hpet + HPET_CONFIGURATION) |= 1;
    period = *(const volatile uint32_t *)(hpet + HPET_PERIOD);
    return period ? FS_PER_S / period : 0;
}

/* TSC and APIC timer (as it counts with the divisor in use) against the reference. */
static void calibrate(uint64_t *tsc_hz, uint64_t *apic_hz)
{
    uint32_t mask, start, passed;
    uint64_t hz = reference_init(&mask), tsc, apic;

    if (!hz)
        boot_refuse("it has no timer to measure its clocks with (ACPI PM timer, HPET)");
    start = reference_read();
    while (reference_read() == start)
        cpu_relax();
    start = reference_read();
    tsc = timer_count();
    msr_write(X2APIC_TIMER_INITIAL, UINT32_MAX);
    do {
        cpu_relax();
        passed = (reference_read() - start) & mask;
    } while (passed < hz / CALIBRATIONS_A_S);
    tsc = timer_count() - tsc;
    apic = UINT32_MAX - msr_read(X2APIC_TIMER_CURRENT);
    msr_write(X2APIC_TIMER_INITIAL, 0);
    *tsc_hz = tsc * hz / passed;
    *apic_hz = apic * hz / passed;
}

/* CPUID leaf 15h (SDM 2A): the TSC's frequency by the crystal's. */
static uint64_t tsc_hz_by_cpuid(void)
{
    struct cpuid clock;

    if (cpuid(0, 0).eax < 0x15)
        return 0;
    clock = cpuid(0x15, 0);
    return clock.eax && clock.ebx && clock.ecx ? (uint64_t)clock.ecx * clock.ebx / clock.eax : 0;
}

void timer_init(void)
{
    uint64_t apic_hz = 0, measured;

    platform.arch.tsc_deadline = cpuid(1, 0).ecx >> 24 & 1;
    platform.arch.tsc_hz = tsc_hz_by_cpuid();
    msr_write(X2APIC_TIMER_DIVIDE, DIVIDE_BY_16);
    if (!platform.arch.tsc_hz || !platform.arch.tsc_deadline) {
        calibrate(&measured, &apic_hz);
        if (!platform.arch.tsc_hz)
            platform.arch.tsc_hz = measured;
    }
    if (platform.arch.tsc_hz < TSC_HZ_MIN || (!platform.arch.tsc_deadline && apic_hz < 1000))
        boot_refuse("its timers do not count");
    ns_per_count = (NS_PER_S << 32) / platform.arch.tsc_hz; /* NS_PER_S < 2^30 */
    counts_per_ns = (platform.arch.tsc_hz << 30) / (NS_PER_S >> 2);
    apic_counts_per_ns = (apic_hz << 32) / NS_PER_S;
    platform.arch.apic_hz = apic_hz * APIC_DIVISOR;
    platform.arch.guest_apic_hz = apic_hz != 0 ? platform.arch.apic_hz >> TIMER_GUEST_SHIFT : GUEST_APIC_HZ;
    wall_origin_s = clock_read();
    if (wall_origin_s)
        wall_origin_s -= time_ns() / NS_PER_S;
}

void timer_init_cpu(void)
{
    msr_write(X2APIC_TIMER_DIVIDE, DIVIDE_BY_16);
    msr_write(X2APIC_LVT_TIMER, VECTOR_TIMER | (platform.arch.tsc_deadline ? LVT_TSC_DEADLINE : 0));
    timer_arm(0);
}

uint64_t time_wall_s(void)
{
    return wall_origin_s ? wall_origin_s + time_ns() / NS_PER_S : 0;
}

uint64_t time_ns(void)
{
    return scale(timer_count(), ns_per_count);
}

uint64_t timer_guest_count(const struct domain *domain)
{
    return timer_count() + domain->arch.counter_offset;
}

uint64_t timer_guest_count_to_ns(const struct domain *domain, uint64_t count)
{
    return scale(count - domain->arch.counter_offset, ns_per_count) + 1;
}

static void arm_by_count(uint64_t at_ns)
{
    uint64_t now = time_ns(), counts;

    if (at_ns == 0) {
        msr_write(X2APIC_TIMER_INITIAL, 0);
        return;
    }
    counts = at_ns > now ? scale(at_ns - now, apic_counts_per_ns) + 1 : 1;
    msr_write(X2APIC_TIMER_INITIAL, counts < UINT32_MAX ? counts : UINT32_MAX); /* early: core/deadline.c looks again */
}

void timer_arm(uint64_t at_ns)
{
    if (lent_timer_arm(at_ns))
        return;
    if (!platform.arch.tsc_deadline)
        return arm_by_count(at_ns);
    msr_write(MSR_TSC_DEADLINE, at_ns ? scale(at_ns, counts_per_ns) + 1 : 0);
}
