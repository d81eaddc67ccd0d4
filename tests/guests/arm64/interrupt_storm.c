// SPDX-License-Identifier: Apache-2.0
/* Interrupt storms: SGI floods between CPUs, levels that stay high, a timer in the past (issue 2, point 7). */
#include "tests/guests/support/guest.h"

#define STORM_MS 2000
#define BROADCAST (1ull << 40)
#define UART_MASK 0x38

static volatile uint64_t taken[BULKHEAD_CPUS_MAX];
static volatile bool stop;
static volatile uint64_t storm_end; /* ms; 0: the sources are edges */

static uint32_t this_cpu(void)
{
    uint64_t index;

    __asm__ volatile("mrs %0, tpidr_el1" : "=r"(index));
    return (uint32_t)index;
}

static void count(uint32_t id)
{
    (void)id;
    taken[this_cpu()]++;
    if (storm_end == 0 || now_ms() < storm_end)
        return;
    timer_off();
    write32(GUEST_UART_BASE + UART_MASK, 0);
}

static void flood(uint64_t ms)
{
    uint64_t end = now_ms() + ms;

    for (uint32_t round = 0; now_ms() < end && !stop; round++)
        for (uint32_t id = 0; id < 16; id++)
            gic_send_sgi(id, round % 3 == 0 ? BROADCAST : round % 3 == 1 ? 0xffff : 0xff00ff00000000ffull | 1);
}

static void secondary(uint32_t index)
{
    (void)index;
    gic_start();
    for (uint32_t id = 0; id < 16; id++)
        gic_enable(id);
    interrupts_on();
    flood(3 * STORM_MS);
    interrupts_off();
}

static void sgi_storm(void)
{
    uint32_t cpus = guest_cpus();
    uint64_t others = 0;

    for (uint32_t id = 0; id < 16; id++)
        gic_enable(id);
    for (uint32_t i = 1; i < cpus; i++)
        check(cpu_start(i, secondary) == 0, "CPU %u starts", (unsigned)i);
    interrupts_on();
    flood(STORM_MS);
    stop = true;
    for (uint64_t end = now_ms() + 5000; cpus > 1 && cpu_state(1) != 1 && now_ms() < end;)
        __asm__ volatile("yield");
    interrupts_off();
    for (uint32_t i = 1; i < cpus; i++)
        others += taken[i];
    check(taken[0] > 0 && (cpus == 1 || others > 0), "SGI flood: %lu taken here, %lu elsewhere", taken[0], others);
}

/* The handler leaves the source alone, so it comes again at once, before any other instruction, until the storm's end.
 */
static void level_storm(const char *name)
{
    interrupts_on();
    while (now_ms() < storm_end)
        __asm__ volatile("nop");
    interrupts_off();
    check(taken[0] > 100, "%s: %lu taken", name, taken[0]);
}

void guest_main(void)
{
    gic_start();
    interrupt_handler = count;
    sgi_storm();

    gic_enable(27);
    taken[0] = 0;
    storm_end = now_ms() + STORM_MS;
    __asm__ volatile("msr cntv_cval_el0, xzr\n\tmsr cntv_ctl_el0, %0\n\tisb" ::"r"(1ul));
    level_storm("a timer in the past");
    timer_off();

    gic_enable(32 + GUEST_LINE_UART);
    write32(GUEST_GICD_BASE + 0x6000 + 8 * (32 + GUEST_LINE_UART), 0); /* IROUTER: CPU 0 */
    write32(GUEST_GICD_BASE + 0x6000 + 8 * (32 + GUEST_LINE_UART) + 4, 0);
    taken[0] = 0;
    storm_end = now_ms() + STORM_MS;
    write32(GUEST_UART_BASE + UART_MASK, 0x20); /* transmit, which always has room */
    print(".\n");
    level_storm("the UART's level");

    /* Pending by hand, for interrupts that no device of ours has. */
    for (uint64_t end = now_ms() + STORM_MS; now_ms() < end;)
        for (uint32_t i = 1; i < 32; i++) {
            write32(GUEST_GICD_BASE + 0x100 + 4 * i, ~0u);
            write32(GUEST_GICD_BASE + 0x200 + 4 * i, ~0u);
        }
    interrupts_on();
    __asm__ volatile("isb");
    interrupts_off();
    check(true, "all SPIs set pending by hand");
}
