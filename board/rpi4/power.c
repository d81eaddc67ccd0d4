// SPDX-License-Identifier: Apache-2.0
/* Reset and power-off of a Raspberry Pi whose firmware has no PSCI: its watchdog (Linux's bcm2835_wdt.c has the
 * register map; Broadcom publishes none). After a reset into partition 63 the boot ROM stays halted. */
#include <arch/host_tree.h>
#include <arch/psci.h>
#include <core/arch.h>

#define PM_RSTC 0x1c
#define PM_RSTS 0x20
#define PM_WDOG 0x24
#define PASSWORD 0x5a000000u
#define RSTC_KEPT 0xffffffcfu
#define RSTC_FULL_RESET 0x20u
#define RSTS_HALT 0x555u
#define TICKS 10u /* of 16 us */

static volatile uint8_t *registers;

static volatile uint32_t *at(uint32_t offset)
{
    return (volatile uint32_t *)(registers + offset);
}

void power_init(void)
{
    int node = host_tree_find("brcm,bcm2835-pm-wdt", -1);
    struct memory_range range;

    if (node >= 0 && host_tree_regs(node, &range, 1))
        registers = kernel_map_device(range.base, PAGE_SIZE);
}

void power_cycle(bool off)
{
    if (!registers)
        return;
    if (off)
        *at(PM_RSTS) = PASSWORD | *at(PM_RSTS) | RSTS_HALT;
    *at(PM_WDOG) = PASSWORD | TICKS;
    *at(PM_RSTC) = PASSWORD | (*at(PM_RSTC) & RSTC_KEPT) | RSTC_FULL_RESET;
}
