/* SPDX-License-Identifier: Apache-2.0 */
/* The Zynq UltraScale+'s RTC (AMD UG1087, RTC): seconds, which a battery keeps and firmware or Linux once set. */
#include <devices/rtc/clock.h>
#include <lib/native.h>
#include <lib/tree.h>

#define RTC_CURRENT_TIME 0x10

static uint64_t base;

uint64_t clock_read_s(void)
{
    return base ? mmio_read32(base + RTC_CURRENT_TIME) : 0;
}

void clock_init(void)
{
    struct tree_range registers = tree_reg(tree_compatible(-1, "xlnx,zynqmp-rtc"), 0);

    if (!registers.size)
        return;
    memory_map(registers.base, registers.size, MEMORY_DEVICE);
    base = registers.base;
}
