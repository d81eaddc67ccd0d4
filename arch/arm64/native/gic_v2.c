/* SPDX-License-Identifier: Apache-2.0 */
/* GICv2 (Arm IHI 0048): the distributor and the CPU interface. */
#include "gic.h"

#define GICD_CTLR 0x0
#define GICD_TARGETS 0x800
#define GICC_CTLR 0x0
#define GICC_PRIORITY_MASK 0x4
#define GICC_ACKNOWLEDGE 0xc
#define GICC_END 0x10
#define ENABLE 1u

static uint64_t distributor, interface;

void gic_init(void)
{
    int node = tree_compatible(-1, "arm,gic-400");
    struct tree_range registers = tree_reg(node, 0), cpu = tree_reg(node, 1);

    if (node < 0)
        panic("the device tree has no GICv2");
    memory_map(registers.base, registers.size, MEMORY_DEVICE);
    memory_map(cpu.base, cpu.size, MEMORY_DEVICE);
    distributor = registers.base;
    interface = cpu.base;
    gic_found(distributor);
    mmio_write32(distributor + GIC_CLEAR_ENABLE, ~0u);
    mmio_write32(distributor + GICD_CTLR, ENABLE);
    mmio_write32(interface + GICC_PRIORITY_MASK, 0xf0);
    mmio_write32(interface + GICC_CTLR, ENABLE);
}

INTERRUPT_CONTEXT uint64_t gic_frame(uint32_t id)
{
    (void)id;
    return distributor;
}

/* Private interrupts' targets read as this CPU. */
void gic_route(uint32_t id)
{
    uint64_t targets = distributor + GICD_TARGETS + id / 4 * 4;
    uint32_t own = mmio_read32(distributor + GICD_TARGETS) & 0xff, byte = id % 4 * 8;

    mmio_write32(targets, (mmio_read32(targets) & ~(0xffu << byte)) | own << byte);
}

INTERRUPT_CONTEXT void interrupt_dispatch(void)
{
    uint32_t acknowledged = mmio_read32(interface + GICC_ACKNOWLEDGE), id = acknowledged & 0x3ff;

    if (id >= INTERRUPTS)
        return; /* spurious */
    gic_handle(id);
    mmio_write32(interface + GICC_END, acknowledged);
}
