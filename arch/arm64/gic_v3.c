/* SPDX-License-Identifier: Apache-2.0 */
/* The physical GICv3 (Arm IHI 0069): redistributors, CPU interfaces, routes. */
#include "gic.h"

#include <arch/gic.h>
#include <arch/gic_cpu.h>
#include <arch/host_tree.h>
#include <core/arch.h>
#include <core/log.h>

enum {
    GICD_IROUTER = 0x6000,
    GICR_TYPER = 0x0008,
    GICR_WAKER = 0x0014,
    GICR_SGI_FRAME = 0x10000,
};
#define GICR_BYTES_MAX (BULKHEAD_CPUS_MAX * 0x40000ul) /* machines describe room for more CPUs than they have */
#define GICD_CTLR_ON (1u << 4 | 1u << 1 | 1u << 0)     /* affinity routing, group 1, seen from either security state */
#define GICD_TYPER_LPIS (1u << 17)
#define GICR_TYPER_VLPIS (1u << 1)
#define GICR_TYPER_LAST (1u << 4)
#define GICR_WAKER_SLEEP (1u << 1)
#define GICR_WAKER_ASLEEP (1u << 2)
#define ICC_SRE_ALL 0xfu  /* system registers, for EL1 too */
#define ICC_CTLR_SPLIT 2u /* EOImode: EOIR drops the priority, DIR deactivates */

uint64_t gic_kick_value[BULKHEAD_CPUS_MAX];
static uint8_t *redistributor[BULKHEAD_CPUS_MAX];
static uint8_t *gicr[GICR_REGIONS_MAX];

uint8_t *gic_registers(uint32_t cpu, uint32_t intid)
{
    return intid < 32 ? redistributor[cpu] + GICR_SGI_FRAME : gic_distributor;
}

void gic_route(uint32_t intid, uint32_t cpu)
{
    *(volatile uint64_t *)(gic_distributor + GICD_IROUTER + 8ull * intid) = cpus[cpu].id & 0xff00ffffffull;
}

bool gic_has_lpis(void)
{
    return read32(gic_distributor, GICD_TYPER) & GICD_TYPER_LPIS;
}

uint8_t *gic_redistributor(uint32_t cpu)
{
    return redistributor[cpu];
}

int gic_find(void)
{
    int node = host_tree_find("arm,gic-v3", -1), length;
    struct memory_range ranges[1 + GICR_REGIONS_MAX];
    struct arch_platform *arch = &platform.arch;
    const uint32_t *stride;
    unsigned count;

    CHECK(node >= 0); /* the machine has no GICv3 */
    count = host_tree_regs(node, ranges, 1 + GICR_REGIONS_MAX);
    CHECK(count >= 2);
    arch->gicd = ranges[0].base;
    arch->gicd_size = ranges[0].size;
    arch->gicr_count = host_tree_cell(node, "#redistributor-regions", 0);
    if (arch->gicr_count == HOST_TREE_NONE)
        arch->gicr_count = 1;
    if (arch->gicr_count > count - 1)
        arch->gicr_count = count - 1;
    for (unsigned i = 0; i < arch->gicr_count; i++) {
        arch->gicr[i].base = ranges[1 + i].base;
        arch->gicr[i].size = ranges[1 + i].size < GICR_BYTES_MAX ? ranges[1 + i].size : GICR_BYTES_MAX;
    }
    stride = host_tree_property(node, "redistributor-stride", &length); /* one cell, or two */
    arch->gicr_stride = stride && length >= 4 ? __builtin_bswap32(stride[length / 4 - 1]) : 0;
    return node;
}

uint32_t gic_map(void)
{
    for (uint32_t i = 0; i < platform.arch.gicr_count; i++)
        gicr[i] = kernel_map_device(platform.arch.gicr[i].base, platform.arch.gicr[i].size);
    return GICD_CTLR_ON;
}

/* The two (GICv4: four) frames of the calling CPU, by its affinity. */
static uint8_t *find_redistributor(void)
{
    const struct arch_platform *arch = &platform.arch;
    uint64_t mpidr = sysreg_read(mpidr_el1);
    uint32_t affinity = (uint32_t)((mpidr >> 32 & 0xff) << 24 | (mpidr & 0xffffff));

    for (uint32_t i = 0; i < arch->gicr_count; i++) {
        uint64_t stride, offset = 0;

        for (; offset + 2 * GICR_SGI_FRAME <= arch->gicr[i].size; offset += stride) {
            uint32_t type = read32(gicr[i], offset + GICR_TYPER);

            if (read32(gicr[i], offset + GICR_TYPER + 4) == affinity)
                return gicr[i] + offset;
            if (type & GICR_TYPER_LAST)
                break;
            stride = type & GICR_TYPER_VLPIS ? 4 * GICR_SGI_FRAME : 2 * GICR_SGI_FRAME;
            if (arch->gicr_stride != 0)
                stride = arch->gicr_stride;
        }
    }
    return NULL;
}

void gic_init_interface(uint32_t cpu)
{
    uint64_t id = sysreg_read(mpidr_el1);
    uint8_t *own = find_redistributor();

    CHECK(own != NULL);
    redistributor[cpu] = own;
    gic_kick_value[cpu] = (id >> 32 & 0xff) << 48 | (id >> 16 & 0xff) << 32 | (id >> 8 & 0xff) << 16 |
                          (id >> 4 & 15) << 44 | (uint64_t)INTID_KICK << 24 | 1ull << (id & 15);
    write32(own, GICR_WAKER, read32(own, GICR_WAKER) & ~GICR_WAKER_SLEEP);
    gic_poll(own, GICR_WAKER, GICR_WAKER_ASLEEP);

    sysreg_write(icc_sre_el2, ICC_SRE_ALL);
    isb();
    sysreg_write(icc_pmr_el1, 0xff);
    sysreg_write(icc_bpr1_el1, 0);
    sysreg_write(icc_ctlr_el1, ICC_CTLR_SPLIT);
    sysreg_write(icc_igrpen1_el1, 1);
    sysreg_write(ich_vmcr_el2, 0);
}
