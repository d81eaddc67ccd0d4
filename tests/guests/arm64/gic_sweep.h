/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and writes of all of an interrupt controller's registers, in every width. */
#ifndef TESTS_GUESTS_GIC_SWEEP_H
#define TESTS_GUESTS_GIC_SWEEP_H

#include "tests/guests/support/guest.h"

static const uint64_t sweep_values[] = {0, ~0ull, 0x5a5aa5a5a5a55a5a};
#define SWEEPS (sizeof(sweep_values) / sizeof(sweep_values[0]))

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
static uint64_t sweep(uint64_t base, uint32_t size, bool write, uint64_t value)
{
    uint64_t wrong = 0;

    for (uint32_t width = 1; width <= 8; width *= 2) {
        /* All words, and enough of the rest. */
        uint32_t step = width >= 4 ? width : 7 * width;

        for (uint32_t offset = 0; offset + width <= size; offset += step) {
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

#endif
