// SPDX-License-Identifier: Apache-2.0
/* x86: the TSC's and APIC timer's frequencies by the ACPI timer, on a machine that may be away between any two
 * instructions. */
#include <arch/apic.h>
#include <arch/cpu.h>
#include <arch/timer.h>
#include <boot/x86/stage.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define TSC_HZ 2500000000ull
#define APIC_HZ 1000000000ull /* before the divisor */
#define PM_HZ 3579545ull
#define READ_NS 400u /* what it takes to read any of them */
#define S 1000000000ull

static uint64_t now;  /* ns; 0: both count from there */
static uint64_t seed; /* 0: nobody takes the CPU away */
static uint64_t away; /* ns, in all */
static uint64_t apic_from;
static bool apic_runs;

struct platform platform;
struct facts facts;

/* Of 32 reads, one takes up to 300 ms. */
static void pass(void)
{
    now += READ_NS;
    if (seed == 0)
        return;
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    if (seed % 32 == 0) {
        now += (seed >> 8) % (300 * S / 1000);
        away++;
    }
}

static uint64_t fake_count(void)
{
    pass();
    return (uint64_t)((unsigned __int128)now * TSC_HZ / S);
}

static uint32_t fake_port_read32(uint16_t port)
{
    assert_int_equal(port, 0x608);
    pass();
    return (uint32_t)((unsigned __int128)now * PM_HZ / S) & 0xffffff;
}

static uint64_t fake_msr_read(uint32_t msr)
{
    assert_int_equal(msr, X2APIC_TIMER_CURRENT);
    pass();
    return apic_runs ? UINT32_MAX - (now - apic_from) * (APIC_HZ / 16) / S : 0;
}

static void fake_msr_write(uint32_t msr, uint64_t value)
{
    if (msr == X2APIC_TIMER_INITIAL) {
        apic_runs = value != 0;
        apic_from = now;
    }
}

static struct cpuid fake_cpuid(uint32_t leaf, uint32_t subleaf)
{
    (void)leaf;
    (void)subleaf;
    return (struct cpuid){0};
}

uint64_t clock_read(void)
{
    return 0;
}

volatile uint8_t *stage_map_device(uint64_t address)
{
    (void)address;
    return NULL;
}

#define timer_count fake_count
#define port_read32 fake_port_read32
#define msr_read fake_msr_read
#define msr_write fake_msr_write
#define cpuid(...) fake_cpuid(__VA_ARGS__)
#include "../../boot/x86/timers.c"
#undef cpuid

static void measured(uint64_t parts)
{
    platform = (struct platform){0};
    facts = (struct facts){.pm_timer_port = 0x608};
    assert_null(timers_measure());
    assert_in_range(platform.arch.tsc_hz, TSC_HZ - TSC_HZ / parts, TSC_HZ + TSC_HZ / parts);
    assert_in_range(platform.arch.apic_hz, APIC_HZ - APIC_HZ / parts, APIC_HZ + APIC_HZ / parts);
}

static void an_undisturbed_machine_takes_20_ms(void **state)
{
    (void)state;
    now = 5 * S;
    seed = 0;
    measured(1000);
    assert_true(now < 5 * S + S / 40);
}

/* Whenever it is away, and however long, what comes out is the frequency. */
static void a_disturbed_machine_looks_again(void **state)
{
    (void)state;
    away = 0;
    for (uint64_t i = 1; i <= 3000; i++) {
        now = i * 1000003;
        seed = i * 0x9e3779b97f4a7c15ull;
        measured(100);
    }
    assert_true(away > 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_undisturbed_machine_takes_20_ms),
        cmocka_unit_test(a_disturbed_machine_looks_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
