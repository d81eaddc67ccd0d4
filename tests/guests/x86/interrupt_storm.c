// SPDX-License-Identifier: Apache-2.0
/* Interrupts from every source at once, as fast as they come (issue 2, point 7). */
#define STORM_MS 1000
#include "tests/guests/support/guest.h"
#include "tests/guests/support/storm.h"
#include <bulkhead/guest_map.h>

#define UART_INTERRUPTS 1
#define UART_TRANSMIT 2u
#define ALL_BUT_SELF 0xc0000u
#define ALL 0x80000u
#define SELF 0x40000u

static volatile uint64_t timer_begin;

/* The timer's comes again at once, so that only it may end its storm: what it interrupts may not get to run between
 * two. */
static void count(uint32_t id)
{
    taken[(uint32_t)msr_read(MSR_X2APIC_ID) % CPUS]++;
    if (id == TIMER_INTERRUPT && !is_over(timer_begin, taken[0] > ENOUGH))
        msr_write(MSR_TSC_DEADLINE, 1); /* in the past */
}

/* The first CPU's ends when it and others have taken some, and theirs then. */
static void flood(bool first)
{
    static const uint64_t kinds[] = {ALL_BUT_SELF, ALL, SELF, 0xffffffffull << 32, 1ull << 32, 0x77ull << 32};
    uint64_t begin = now_ms();

    for (uint32_t round = 0; !stop && !is_over(begin, first && taken_by_all()); round++)
        for (uint32_t id = 0; id < 16; id++)
            cpu_send(kinds[round % (sizeof(kinds) / sizeof(kinds[0]))] | (IPI_INTERRUPT + id));
}

static void secondary(uint32_t index)
{
    (void)index;
    interrupts_start();
    interrupts_on();
    flood(false);
    interrupts_off();
}

static void ipi_storm(void)
{
    cpus = guest_cpus();
    for (uint32_t i = 1; i < cpus; i++)
        check(cpu_start(i, secondary) == 0, "CPU %u starts", (unsigned)i);
    interrupts_on();
    flood(true);
    stop = true;
    for (uint64_t end = now_ms() + PATIENCE_MS; cpus > 1 && !cpu_is_off(1) && now_ms() < end;)
        cpu_relax();
    interrupts_off();
    check(taken_by_all(), "IPI flood: %lu taken here, %lu elsewhere", taken[0], taken_elsewhere());
}

static void timer_storm(void)
{
    interrupt_enable(TIMER_INTERRUPT);
    taken[0] = 0;
    timer_begin = now_ms();
    msr_write(MSR_TSC_DEADLINE, 1);
    interrupts_on();
    while (!is_over(timer_begin, taken[0] > ENOUGH))
        cpu_relax();
    interrupts_off();
    timer_off();
    check(taken[0] > ENOUGH, "a timer in the past: %lu taken", taken[0]);
}

/* The UART's interrupt switched on and off: an edge each time. */
static void line_storm(void)
{
    uint64_t begin = now_ms();

    interrupt_enable(LINE_INTERRUPT(GUEST_LINE_UART));
    taken[0] = 0;
    interrupts_on();
    while (!is_over(begin, taken[0] > ENOUGH)) {
        out8(GUEST_PORT_UART + UART_INTERRUPTS, UART_TRANSMIT);
        out8(GUEST_PORT_UART + UART_INTERRUPTS, 0);
    }
    interrupts_off();
    check(taken[0] > ENOUGH, "the UART's line: %lu taken", taken[0]);
}

void guest_main(void)
{
    interrupts_start();
    interrupt_handler = count;
    ipi_storm();
    timer_storm();
    line_storm();
}
