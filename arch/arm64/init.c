// SPDX-License-Identifier: Apache-2.0
/* The boot CPU finds its machine. */
#include <arch/boot.h>
#include <arch/gic.h>
#include <arch/host_tree.h>
#include <arch/stage2.h>
#include <arch/sysreg.h>
#include <arch/timer.h>
#include <core/arch.h>

/* Addresses that a domain may have: RAM and the registers that are known of, and a guest's own map. */
static uint64_t highest_address(void)
{
    uint64_t highest = 1ull << 32;

    for (uint32_t i = 0; i < platform.ram_count; i++)
        if (platform.ram[i].base.value + platform.ram[i].size > highest)
            highest = platform.ram[i].base.value + platform.ram[i].size;
    return highest - 1;
}

void arch_init(struct hpa handover)
{
    sysreg_write(vbar_el2, (uint64_t)vectors);
    isb();
    host_tree_read(handover);
    timer_init();
    stage2_init(highest_address());
    cpus_init();
    cpu_setup();
    gic_init();
    gic_init_cpu();
}

void arch_close(void)
{
    host_tree_close();
}
