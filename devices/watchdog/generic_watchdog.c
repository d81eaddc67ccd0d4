/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generic watchdog of the Arm Base System Architecture (DEN0094): a refresh frame, and behind it a control frame.
 * It counts twice: after the first time it interrupts, which nobody takes, after the second one it resets the machine.
 */
#include <devices/watchdog/hardware.h>
#include <lib/native.h>
#include <lib/tree.h>
#include <stddef.h>

#define WRR 0x0000u
#define WCS 0x1000u
#define WCS_ENABLE 1u
#define WOR_LOW 0x1008u
#define WOR_HIGH 0x100cu
#define FRAMES 0x2000u

static uintptr_t base;

static void feed(void)
{
    mmio_write32(base + WRR, 1);
}

static struct hardware_watchdog watchdog = {.name = "BSA generic watchdog", .feed = feed};

const struct hardware_watchdog *hardware_watchdog_start(uint32_t seconds)
{
    struct tree_range registers = tree_reg(tree_compatible(-1, "arm,sbsa-gwdt"), 0);
    uint64_t counts = counter_frequency() * seconds / 2;

    if (registers.size < FRAMES)
        return NULL;
    memory_map(registers.base, registers.size, MEMORY_DEVICE);
    base = registers.base;
    mmio_write32(base + WOR_LOW, (uint32_t)counts);
    mmio_write32(base + WOR_HIGH, (uint32_t)(counts >> 32));
    mmio_write32(base + WCS, WCS_ENABLE);
    feed();
    return &watchdog;
}
