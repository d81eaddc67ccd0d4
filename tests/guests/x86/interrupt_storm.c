// SPDX-License-Identifier: Apache-2.0
/* Interrupts from every source at once, as fast as they come (issue 2, point 7). */
#include "tests/guests/support/guest.h"
#include <bulkhead/guest_map.h>

#define STORM_MS 1000
#define UART_INTERRUPTS 1
#define UART_TRANSMIT 2u
#define ALL_BUT_SELF 0xc0000u
#define ALL 0x80000u
#define SELF 0x40000u

static volatile uint64_t taken[CPUS];
static volatile bool stop, again;
static volatile uint64_t storm_end;

static void count(uint32_t id)
{
    taken[(uint32_t)msr_read(MSR_X2APIC_ID) % CPUS]++;
    if (id == TIMER_INTERRUPT && again && now_ms() < storm_end)
        msr_write(MSR_TSC_DEADLINE, 1); /* in the past: it comes again at once */
}

static void flood(uint64_t ms)
{
    static const uint64_t kinds[] = {ALL_BUT_SELF, ALL, SELF, 0xffffffffull << 32, 1ull << 32, 0x77ull << 32};
    uint64_t end = now_ms() + ms;

    for (uint32_t round = 0; now_ms() < end && !stop; round++)
        for (uint32_t id = 0; id < 16; id++)
            cpu_send(kinds[round % (sizeof(kinds) / sizeof(kinds[0]))] | (IPI_INTERRUPT + id));
}

static void secondary(uint32_t index)
{
    (void)index;
    interrupts_start();
    interrupts_on();
    flood(3 * STORM_MS);
    interrupts_off();
}

static void ipi_storm(void)
{
    uint32_t cpus = guest_cpus();
    uint64_t others = 0;

    for (uint32_t i = 1; i < cpus; i++)
        check(cpu_start(i, secondary) == 0, "CPU %u starts", (unsigned)i);
    interrupts_on();
    flood(STORM_MS);
    stop = true;
    for (uint64_t end = now_ms() + 5000; cpus > 1 && !cpu_is_off(1) && now_ms() < end;)
        cpu_relax();
    interrupts_off();
    for (uint32_t i = 1; i < cpus; i++)
        others += taken[i];
    check(taken[0] > 0 && (cpus == 1 || others > 0), "IPI flood: %lu taken here, %lu elsewhere", taken[0], others);
}

static void timer_storm(void)
{
    interrupt_enable(TIMER_INTERRUPT);
    taken[0] = 0;
    storm_end = now_ms() + STORM_MS;
    again = true;
    msr_write(MSR_TSC_DEADLINE, 1);
    interrupts_on();
    while (now_ms() < storm_end)
        cpu_relax();
    interrupts_off();
    again = false;
    timer_off();
    check(taken[0] > 100, "a timer in the past: %lu taken", taken[0]);
}

/* The UART's interrupt switched on and off: an edge each time. */
static void line_storm(void)
{
    uint64_t end = now_ms() + STORM_MS;

    interrupt_enable(LINE_INTERRUPT(GUEST_LINE_UART));
    taken[0] = 0;
    interrupts_on();
    while (now_ms() < end) {
        out8(GUEST_PORT_UART + UART_INTERRUPTS, UART_TRANSMIT);
        out8(GUEST_PORT_UART + UART_INTERRUPTS, 0);
    }
    interrupts_off();
    check(taken[0] > 100, "the UART's line: %lu taken", taken[0]);
}

void guest_main(void)
{
    interrupts_start();
    interrupt_handler = count;
    ipi_storm();
    timer_storm();
    line_storm();
}
