// SPDX-License-Identifier: Apache-2.0
/* The boot CPU finds its machine. */
#include <arch/boot.h>
#include <arch/gic.h>
#include <arch/host_tree.h>
#include <arch/iommu.h>
#include <arch/its.h>
#include <arch/psci.h>
#include <arch/stage2.h>
#include <arch/sysreg.h>
#include <arch/timer.h>
#include <core/arch.h>
#include <core/seed.h>

/* Addresses that a domain may have: RAM and the registers that are known of, and a guest's own map. */
static uint64_t highest_address(void)
{
    uint64_t highest = 1ull << 32;

    for (uint32_t i = 0; i < platform.ram_count; i++)
        if (platform.ram[i].base.value + platform.ram[i].size > highest)
            highest = platform.ram[i].base.value + platform.ram[i].size;
    if (platform.pci.ecam.value + ((platform.pci.bus_last + 1ull) << 20) > highest && platform.pci.ecam.value)
        highest = platform.pci.ecam.value + ((platform.pci.bus_last + 1ull) << 20);
    return highest - 1;
}

/* Arm ARM, RNDR: NZCV is 0 when it has a number. */
static bool cpu_random(uint64_t *number)
{
    uint64_t failed;

    __asm__ volatile("mrs %0, S3_3_C2_C4_0\n\tcset %1, eq" : "=r"(*number), "=r"(failed)::"cc");
    return !failed;
}

/* What the firmware left in the tree (Devicetree Specification: rng-seed), and what the CPU has. */
static void gather_entropy(void)
{
    int chosen = host_tree_find("/chosen", -1), length = 0;
    const void *seed = chosen >= 0 ? host_tree_property(chosen, "rng-seed", &length) : NULL;
    uint64_t number;

    if (seed)
        seed_add(seed, (size_t)length);
    if (!field(sysreg_read(id_aa64isar0_el1), 60, 4)) /* RNDR */
        return;
    for (size_t i = 0; i < SEED_SIZE / sizeof(number); i++)
        if (cpu_random(&number))
            seed_add(&number, sizeof(number));
}

void arch_init(struct hpa handover)
{
    sysreg_write(vbar_el2, (uint64_t)vectors);
    isb();
    host_tree_read(handover);
    timer_init();
    stage2_init(highest_address());
    arch_iommu_block();
    cpus_init();
    cpu_setup();
    gic_init();
    gic_init_cpu();
    its_init();
    power_init();
    gather_entropy();
}

void arch_close(void)
{
    host_tree_close();
}
