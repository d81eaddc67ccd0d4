// SPDX-License-Identifier: Apache-2.0
/* Every register of the interrupt controller, in every width: defined, and confined (issue 2, point 7). */
#include "gic_sweep.h"

#define FRAME 0x10000u

static volatile uint32_t seen;

static void count(uint32_t id)
{
    seen += id == 5;
}

static void works_still(const char *after)
{
    gic_start();
    seen = 0;
    interrupt_handler = count;
    gic_enable(5);
    interrupts_on();
    gic_send_sgi(5, 1);
    for (uint64_t end = now_ms() + PATIENCE_MS; seen == 0 && now_ms() < end;)
        __asm__ volatile("yield");
    interrupts_off();
    check(seen == 1, "its own SGI arrives after %s (%u)", after, (unsigned)seen);
}

static void quieten(void)
{
    write32(GUEST_GICR_BASE + 0x10180, ~0u); /* ICENABLER0 */
    for (uint32_t i = 1; i < 32; i++)
        write32(GUEST_GICD_BASE + 0x180 + 4 * i, ~0u);
    write32(GUEST_GICR_BASE + 0x10280, ~0u); /* ICPENDR0 */
    write32(GUEST_GICR_BASE + 0x10380, ~0u); /* ICACTIVER0 */
    for (uint32_t i = 0; i < 32; i += 4)
        write32(GUEST_GICR_BASE + 0x10400 + i, 0x80808080); /* IPRIORITYR */
}

void guest_main(void)
{
    uint64_t frames[1 + 2 * BULKHEAD_CPUS_MAX], wrong;
    uint32_t count_of_frames = 1, cpus = guest_cpus();
    uint32_t identity;

    frames[0] = GUEST_GICD_BASE;
    for (uint32_t i = 0; i < 2 * cpus; i++)
        frames[count_of_frames++] = GUEST_GICR_BASE + i * (uint64_t)FRAME;
    identity = read32(GUEST_GICD_BASE + 0xffe8); /* PIDR2 */
    check((identity >> 4 & 15) == 3, "the distributor is a GICv3");
    works_still("the start");

    wrong = 0;
    for (uint32_t i = 0; i < count_of_frames; i++)
        wrong += sweep(frames[i], FRAME, false, 0);
    check(wrong == 0, "%lu reads of %u frames end; %lu with an abort", ends, (unsigned)count_of_frames, aborts);
    for (size_t v = 0; v < SWEEPS; v++) {
        ends = aborts = wrong = 0;
        for (uint32_t i = 0; i < count_of_frames; i++)
            wrong += sweep(frames[i], FRAME, true, sweep_values[v]);
        check(wrong == 0, "%lu writes of %lx end; %lu with an abort", ends, sweep_values[v], aborts);
    }
    quieten();
    works_still("the sweep");

    fault_expect();
    read_at(GUEST_GICR_BASE + cpus * 2ull * FRAME, 4);
    check(fault_taken().count == 1, "there is no redistributor behind the last CPU's");
    check(read32(GUEST_GICD_BASE + 0xffe8) == identity, "read-only registers are as they were");
}
