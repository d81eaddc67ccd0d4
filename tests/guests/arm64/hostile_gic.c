// SPDX-License-Identifier: Apache-2.0
/* Every register of the interrupt controller, in every width: defined, and confined (issue 2, point 7). */
#include "tests/guests/support/guest.h"

#define FRAME 0x10000u

static uint64_t ends, aborts;

static void read_at(uint64_t address, uint32_t width)
{
    switch (width) {
    case 1:
        __asm__ volatile("ldrb w8, [%0]" ::"r"(address) : "x8", "memory");
        break;
    case 2:
        __asm__ volatile("ldrh w8, [%0]" ::"r"(address) : "x8", "memory");
        break;
    case 4:
        __asm__ volatile("ldr w8, [%0]" ::"r"(address) : "x8", "memory");
        break;
    default:
        __asm__ volatile("ldr x8, [%0]" ::"r"(address) : "x8", "memory");
        break;
    }
}

static void write_at(uint64_t address, uint32_t width, uint64_t value)
{
    switch (width) {
    case 1:
        __asm__ volatile("strb %w1, [%0]" ::"r"(address), "r"(value) : "memory");
        break;
    case 2:
        __asm__ volatile("strh %w1, [%0]" ::"r"(address), "r"(value) : "memory");
        break;
    case 4:
        __asm__ volatile("str %w1, [%0]" ::"r"(address), "r"(value) : "memory");
        break;
    default:
        __asm__ volatile("str %1, [%0]" ::"r"(address), "r"(value) : "memory");
        break;
    }
}

/* Each access ends with an answer or one data abort. */
static uint64_t sweep(uint64_t base, bool write, uint64_t value)
{
    uint64_t wrong = 0;

    for (uint32_t width = 1; width <= 8; width *= 2) {
        /* All words, and enough of the rest. */
        uint32_t step = width >= 4 ? width : 7 * width;

        for (uint32_t offset = 0; offset + width <= FRAME; offset += step) {
            struct fault fault;

            fault_expect();
            if (write)
                write_at(base + offset, width, value);
            else
                read_at(base + offset, width);
            fault = fault_taken();
            ends++;
            aborts += fault.count;
            wrong += fault.count > 1 || (fault.count == 1 && fault_class(fault) != FAULT_DATA_ABORT);
        }
    }
    return wrong;
}

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
    static const uint64_t values[] = {0, ~0ull, 0x5a5aa5a5a5a55a5a};
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
        wrong += sweep(frames[i], false, 0);
    check(wrong == 0, "%lu reads of %u frames end; %lu with an abort", ends, (unsigned)count_of_frames, aborts);
    for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
        ends = aborts = wrong = 0;
        for (uint32_t i = 0; i < count_of_frames; i++)
            wrong += sweep(frames[i], true, values[v]);
        check(wrong == 0, "%lu writes of %lx end; %lu with an abort", ends, values[v], aborts);
    }
    quieten();
    works_still("the sweep");

    fault_expect();
    read_at(GUEST_GICR_BASE + cpus * 2ull * FRAME, 4);
    check(fault_taken().count == 1, "there is no redistributor behind the last CPU's");
    check(read32(GUEST_GICD_BASE + 0xffe8) == identity, "read-only registers are as they were");
}
