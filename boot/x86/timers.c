// SPDX-License-Identifier: Apache-2.0
/* How fast the machine's clocks are: the TSC's frequency CPUID tells, or the ACPI timer or HPET. */
#include "stage.h"

#include <arch/apic.h>
#include <arch/cpu.h>
#include <arch/timer.h>

#define FS_PER_S 1000000000000000ull
#define PM_TIMER_HZ 3579545u
#define HPET_PERIOD 4u /* bits 32.. of its capabilities: femtoseconds a tick */
#define HPET_CONFIGURATION 0x10u
#define HPET_COUNTER 0xf0u
#define CPUID_HYPERVISOR (1u << 31) /* 1 ecx */
#define HYPERVISOR 0x40000000u
#define HYPERVISOR_CLOCKS 0x40000010u
#define PRECISION 20000u     /* clocks are measured until they are known to 50 parts in a million, */
#define MEASUREMENTS_A_S 50u /* or for 20 ms, */
#define PRECISION_MIN 500u   /* and longer where we did not get to look at all of them at once */
#define LOOKS 16u
#define TSC_PATIENCE (1ull << 36)
#define TSC_HZ_MIN 20000000u     /* more than the 10 MHz in which guests are told the time */
#define GUEST_APIC_HZ 125000000u /* where the kernel emulates their timers anyway */

static const volatile uint8_t *hpet;

/* The HPET, which counts faster than the ACPI timer. */
static uint32_t reference_read(void)
{
    return hpet ? *(const volatile uint32_t *)(hpet + HPET_COUNTER) : port_read32(facts.pm_timer_port);
}

/* The reference's frequency, or 0: there is none. */
static uint64_t reference_init(uint32_t *mask)
{
    uint32_t period;

    *mask = UINT32_MAX;
    if (facts.hpet) {
        hpet = stage_map_device(facts.hpet);
        *(volatile uint32_t *)(hpet + HPET_CONFIGURATION) |= 1;
        period = *(const volatile uint32_t *)(hpet + HPET_PERIOD);
        if (period)
            return FS_PER_S / period;
        hpet = NULL;
    }
    *mask = facts.pm_timer_32 ? UINT32_MAX : 0xffffff;
    return facts.pm_timer_port ? PM_TIMER_HZ : 0;
}

/* All clocks at once: the TSC was between `tsc` and `tsc` + `width` when the others were read. */
struct look {
    uint64_t tsc, width;
    uint32_t reference, apic;
};

static struct look look(void)
{
    struct look now = {.tsc = timer_count()};

    now.reference = reference_read();
    now.apic = (uint32_t)msr_read(X2APIC_TIMER_CURRENT);
    now.width = timer_count() - now.tsc;
    return now;
}

/* TSC and APIC timer (as it counts with the divisor in use) against the reference. */
static bool calibrate(uint64_t *tsc_hz, uint64_t *apic_hz)
{
    uint32_t mask, passed;
    uint64_t hz = reference_init(&mask), tsc;
    struct look start, end;

    if (!hz)
        return false;
    msr_write(X2APIC_TIMER_INITIAL, UINT32_MAX);
    start = look();
    for (uint32_t i = 0; i < LOOKS; i++) {
        end = look();
        if (end.width < start.width)
            start = end;
    }
    do {
        cpu_relax();
        end = look();
        passed = (end.reference - start.reference) & mask;
        tsc = end.tsc - start.tsc;
    } while (tsc < TSC_PATIENCE && (!passed || (start.width + end.width + tsc / passed) *
                                                       (passed < hz / MEASUREMENTS_A_S ? PRECISION : PRECISION_MIN) >
                                                   tsc));
    msr_write(X2APIC_TIMER_INITIAL, 0);
    *tsc_hz = passed ? tsc * hz / passed : 0;
    *apic_hz = passed ? (uint64_t)(start.apic - end.apic) * hz / passed : 0;
    return true;
}

/* The TSC's frequency by the crystal's (CPUID 15h, SDM 2A), or as a hypervisor tells it in kHz; 0: neither. What leaf
 * 16h says is the CPU's nominal one. */
static uint64_t tsc_hz_by_cpuid(void)
{
    struct cpuid clock = {0};

    if (cpuid(0, 0).eax >= 0x15)
        clock = cpuid(0x15, 0);
    if (clock.eax && clock.ebx && clock.ecx)
        return (uint64_t)clock.ecx * clock.ebx / clock.eax;
    if ((cpuid(1, 0).ecx & CPUID_HYPERVISOR) && cpuid(HYPERVISOR, 0).eax >= HYPERVISOR_CLOCKS)
        return cpuid(HYPERVISOR_CLOCKS, 0).eax * 1000ull;
    return 0;
}

/* In x2APIC mode. */
const char *timers_measure(void)
{
    uint64_t tsc_hz = tsc_hz_by_cpuid(), measured, apic_hz = 0, now_s;
    bool deadline = cpuid(1, 0).ecx >> 24 & 1;

    if (!tsc_hz || !deadline) {
        msr_write(X2APIC_TIMER_DIVIDE, TIMER_DIVIDE);
        if (!calibrate(&measured, &apic_hz))
            return "it has no timer to measure its clocks with (HPET, ACPI PM timer)";
        if (!tsc_hz)
            tsc_hz = measured;
    }
    if (tsc_hz < TSC_HZ_MIN || (!deadline && apic_hz < 1000))
        return "its timers do not count";
    platform.arch.tsc_deadline = deadline;
    platform.arch.tsc_hz = tsc_hz;
    platform.arch.tsc_scale = time_scale(tsc_hz);
    platform.arch.apic_counts_per_ns = divide128(apic_hz >> (64 - SCALE_SHIFT), apic_hz << SCALE_SHIFT, NS_PER_S);
    platform.arch.apic_hz = apic_hz * TIMER_DIVISOR;
    platform.arch.guest_apic_hz = apic_hz != 0 ? platform.arch.apic_hz >> TIMER_GUEST_SHIFT : GUEST_APIC_HZ;
    now_s = clock_read();
    if (now_s)
        platform.arch.wall_origin_s = now_s - timer_count() / tsc_hz;
    return NULL;
}
