// SPDX-License-Identifier: Apache-2.0
/* Interrupt storms: SGI floods between CPUs, levels that stay high, a timer in the past (issue 2, point 7). */
#define STORM_MS 2000
#include "tests/guests/support/guest.h"
#include "tests/guests/support/storm.h"

#define BROADCAST (1ull << 40)
#define UART_MASK 0x38

static volatile bool level; /* the sources are levels, which the handler ends when the storm is over */
static volatile uint64_t storm_begin;

static uint32_t this_cpu(void)
{
    uint64_t index;

    __asm__ volatile("mrs %0, tpidr_el1" : "=r"(index));
    return (uint32_t)index;
}

static void quieten(void)
{
    timer_off();
    write32(GUEST_UART_BASE + UART_MASK, 0);
}

static void count(uint32_t id)
{
    (void)id;
    taken[this_cpu()]++;
    if (level && is_over(storm_begin, taken[0] > ENOUGH))
        quieten();
}

/* The first CPU's ends when it and others have taken some, and theirs then. */
static void flood(bool first)
{
    uint64_t begin = now_ms();

    for (uint32_t round = 0; !stop && !is_over(begin, first && taken_by_all()); round++)
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
    flood(false);
    interrupts_off();
}

static void sgi_storm(void)
{
    cpus = guest_cpus();
    for (uint32_t id = 0; id < 16; id++)
        gic_enable(id);
    for (uint32_t i = 1; i < cpus; i++)
        check(cpu_start(i, secondary) == 0, "CPU %u starts", (unsigned)i);
    interrupts_on();
    flood(true);
    stop = true;
    for (uint64_t end = now_ms() + PATIENCE_MS; cpus > 1 && cpu_state(1) != 1 && now_ms() < end;)
        __asm__ volatile("yield");
    interrupts_off();
    check(taken_by_all(), "SGI flood: %lu taken here, %lu elsewhere", taken[0], taken_elsewhere());
}

/* The handler leaves the source alone, so it comes again at once, before any other instruction, until the storm's end.
 */
static void level_storm(const char *name)
{
    interrupts_on();
    while (!is_over(storm_begin, taken[0] > ENOUGH))
        __asm__ volatile("nop");
    interrupts_off();
    level = false;
    quieten();
    check(taken[0] > ENOUGH, "%s: %lu taken", name, taken[0]);
}

void guest_main(void)
{
    gic_start();
    interrupt_handler = count;
    sgi_storm();

    gic_enable(27);
    taken[0] = 0;
    storm_begin = now_ms();
    level = true;
    __asm__ volatile("msr cntv_cval_el0, xzr\n\tmsr cntv_ctl_el0, %0\n\tisb" ::"r"(1ul));
    level_storm("a timer in the past");

    gic_enable(32 + GUEST_LINE_UART);
    write32(GUEST_GICD_BASE + 0x6000 + 8 * (32 + GUEST_LINE_UART), 0); /* IROUTER: CPU 0 */
    write32(GUEST_GICD_BASE + 0x6000 + 8 * (32 + GUEST_LINE_UART) + 4, 0);
    taken[0] = 0;
    storm_begin = now_ms();
    level = true;
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
