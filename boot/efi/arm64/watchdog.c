// SPDX-License-Identifier: Apache-2.0
/* The generic watchdog of the Arm Base System Architecture (DEN0094), where the board has it: a refresh frame, and
 * behind it a control frame. It counts twice before it resets the machine. */
#include "acpi_tree.h"
#include "board_devices.h"

#include <boot/efi/start.h>
#include <string.h>

#ifdef CONFIG_HARDWARE_WATCHDOG
#define SECONDS CONFIG_HARDWARE_WATCHDOG_START_SECONDS
#else
#define SECONDS 0
#endif

#define CONTROL 0x1000u
#define WCS 0x00u
#define WCS_ENABLE 1u
#define WOR_LOW 0x08u
#define WOR_HIGH 0x0cu

static void set(uintptr_t address, uint32_t value)
{
    *(volatile uint32_t *)address = value;
}

void start_watchdog(bool bare)
{
    uint64_t counts;

    (void)bare;
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(counts));
    counts = counts * SECONDS / 2;
    for (uint32_t i = 0; i < sizeof(board_devices) / sizeof(*board_devices); i++) {
        uintptr_t control = board_devices[i].base + CONTROL;

        if (SECONDS == 0 || strcmp(board_devices[i].compatible, "arm,sbsa-gwdt") != 0)
            continue;
        set(control + WOR_LOW, (uint32_t)counts);
        set(control + WOR_HIGH, (uint32_t)(counts >> 32));
        set(control + WCS, WCS_ENABLE);
    }
}
