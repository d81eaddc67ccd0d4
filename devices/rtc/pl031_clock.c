/* SPDX-License-Identifier: Apache-2.0 */
/* A PL031 (Arm DDI 0224). */
#include <devices/rtc/clock.h>
#include <lib/native.h>
#include <lib/tree.h>

#define RTC_DATA 0x0
#define RTC_CONTROL 0xc

static uint64_t base;

uint64_t clock_read_s(void)
{
    return base ? mmio_read32(base + RTC_DATA) : 0;
}

void clock_init(void)
{
    struct tree_range registers = tree_reg(tree_compatible(-1, "arm,pl031"), 0);

    if (!registers.size)
        return;
    memory_map(registers.base, registers.size, MEMORY_DEVICE);
    base = registers.base;
    mmio_write32(base + RTC_CONTROL, 1);
}
