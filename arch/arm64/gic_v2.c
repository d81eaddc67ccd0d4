/* SPDX-License-Identifier: Apache-2.0 */
/* The physical GICv2 (Arm IHI 0048, GIC-400: DDI 0471), with virtualization extensions. All CPUs see their own private
 * interrupts at the same addresses: others' are out of reach. */
#include "gic.h"

#include "vgic.h"
#include <arch/gic.h>
#include <arch/gic_cpu.h>
#include <arch/host_tree.h>
#include <core/arch.h>
#include <core/log.h>

enum { GICD_ITARGETSR = 0x800, GICD_SGIR = 0xf00 };
#define GICD_CTLR_ON 1u /* the group that non-secure software sees; group 0 where there is one security state */
#define GICC_CTLR_BYPASS 0x1e0u
#define GICC_CTLR_SPLIT 0x201u /* on; EOIR drops the priority, DIR deactivates */
#define GICC_BYTES 0x2000u
#define ALIASED 0x20000u     /* each page of the interface is seen 16 times, so that they are 64 KiB apart: */
#define ALIASED_PAIR 0xf000u /* the last of the first and the first of the second stand side by side */

volatile uint32_t *gic_cpu, *gic_hypervisor, *gic_sgir;
uint8_t gic_target[BULKHEAD_CPUS_MAX];

uint8_t *gic_registers(uint32_t cpu, uint32_t intid)
{
    (void)cpu, (void)intid;
    return gic_distributor;
}

void gic_route(uint32_t intid, uint32_t cpu)
{
    *(volatile uint8_t *)(gic_distributor + GICD_ITARGETSR + intid) = gic_target[cpu];
}

static struct hpa pair_of(struct memory_range range)
{
    return hpa(range.base.value + (range.size == ALIASED ? ALIASED_PAIR : 0));
}

int gic_find(void)
{
    int node = host_tree_find("arm,gic-400", -1);
    struct memory_range ranges[4];

    if (node < 0)
        node = host_tree_find("arm,cortex-a15-gic", -1);
    CHECK(node >= 0 && host_tree_regs(node, ranges, 4) == 4); /* no GICv2, or none for virtual machines */
    platform.arch.gicd = ranges[0].base;
    platform.arch.gicd_size = PAGE_SIZE;
    platform.arch.gicc = pair_of(ranges[1]);
    platform.arch.gich = ranges[2].base;
    platform.arch.gicv = pair_of(ranges[3]);
    return node;
}

uint32_t gic_map(void)
{
    gic_cpu = (volatile uint32_t *)kernel_map_device(platform.arch.gicc, GICC_BYTES);
    gic_hypervisor = (volatile uint32_t *)kernel_map_device(platform.arch.gich, PAGE_SIZE);
    gic_sgir = (volatile uint32_t *)(gic_distributor + GICD_SGIR);
    return GICD_CTLR_ON;
}

void gic_init_interface(uint32_t cpu)
{
    gic_target[cpu] = (uint8_t)read32(gic_distributor, GICD_ITARGETSR); /* of a private interrupt: the reader */
    if (!gic_target[cpu])
        gic_target[cpu] = 1; /* a GIC for one CPU */
    gic_cpu[GICC_APR] = 0;
    gic_cpu[GICC_PMR] = 0xff;
    gic_cpu[GICC_BPR] = 0;
    gic_cpu[GICC_CTLR] = (gic_cpu[GICC_CTLR] & GICC_CTLR_BYPASS) | GICC_CTLR_SPLIT;
}
