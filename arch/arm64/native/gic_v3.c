/* SPDX-License-Identifier: Apache-2.0 */
/* GICv3 (Arm IHI 0069): the distributor and this CPU's redistributor and CPU interface. */
#include "gic.h"

#define GICD_CTLR 0x0
#define GICD_CTLR_ENABLE 0x12 /* ARE_NS, EnableGrp1A */
#define GICD_ROUTER 0x6000
#define GICR_WAKER 0x14
#define GICR_WAKER_PROCESSOR_SLEEP 2u
#define GICR_WAKER_CHILDREN_ASLEEP 4u
#define GICR_TYPER 0x8
#define GICR_TYPER_LAST 0x10u
#define GICR_TYPER_VLPIS 0x2u
#define GICR_SGI_FRAME 0x10000
#define WAIT_STEPS 1000000u

static uint64_t distributor, redistributor;
static uint64_t affinity; /* as GICD_IROUTER takes it */

static uint64_t mmio_read64(uint64_t address)
{
    return mmio_read32(address) | (uint64_t)mmio_read32(address + 4) << 32;
}

static uint64_t find_redistributor(struct tree_range region)
{
    uint32_t mine = (uint32_t)((affinity >> 8 & 0xff000000u) | (affinity & 0xffffffu));

    for (uint64_t frame = region.base; frame - region.base + 0x20000 <= region.size;) {
        uint64_t type = mmio_read64(frame + GICR_TYPER);

        if (type >> 32 == mine)
            return frame;
        if (type & GICR_TYPER_LAST)
            break;
        frame += type & GICR_TYPER_VLPIS ? 0x40000 : 0x20000;
    }
    panic("no redistributor for CPU %x", mine);
}

void gic_init(void)
{
    int node = tree_compatible(-1, "arm,gic-v3");
    struct tree_range registers = tree_reg(node, 0), frames = tree_reg(node, 1);
    uint64_t mpidr;
    uint32_t steps = 0;

    if (node < 0)
        panic("the device tree has no GICv3");
    memory_map(registers.base, registers.size, MEMORY_DEVICE);
    memory_map(frames.base, frames.size, MEMORY_DEVICE);
    __asm__("mrs %0, mpidr_el1" : "=r"(mpidr));
    affinity = mpidr & 0xff00ffffffull;
    distributor = registers.base;
    redistributor = find_redistributor(frames);
    gic_found(distributor);
    mmio_write32(distributor + GICD_CTLR, GICD_CTLR_ENABLE);

    mmio_write32(redistributor + GICR_WAKER, mmio_read32(redistributor + GICR_WAKER) & ~GICR_WAKER_PROCESSOR_SLEEP);
    while (mmio_read32(redistributor + GICR_WAKER) & GICR_WAKER_CHILDREN_ASLEEP)
        if (++steps > WAIT_STEPS)
            panic("the redistributor does not wake up");
    mmio_write32(redistributor + GICR_SGI_FRAME + GIC_GROUP, ~0u);
    mmio_write32(redistributor + GICR_SGI_FRAME + GIC_CLEAR_ENABLE, ~0u);

    __asm__ volatile("msr S3_0_C12_C12_5, %0\n\tisb" ::"r"(7ull)); /* ICC_SRE_EL1 */
    __asm__ volatile("msr S3_0_C12_C12_4, %0" ::"r"(0ull));        /* ICC_CTLR_EL1: EOImode 0 */
    __asm__ volatile("msr S3_0_C4_C6_0, %0" ::"r"(0xf0ull));       /* ICC_PMR_EL1 */
    __asm__ volatile("msr S3_0_C12_C12_7, %0\n\tisb" ::"r"(1ull)); /* ICC_IGRPEN1_EL1 */
}

INTERRUPT_CONTEXT uint64_t gic_frame(uint32_t id)
{
    return id >= 32 ? distributor : redistributor + GICR_SGI_FRAME;
}

void gic_route(uint32_t id)
{
    uint64_t group = distributor + GIC_GROUP + id / 32 * 4;

    mmio_write32(group, mmio_read32(group) | 1u << id % 32);
    mmio_write32(distributor + GICD_ROUTER + id * 8, (uint32_t)affinity);
    mmio_write32(distributor + GICD_ROUTER + id * 8 + 4, (uint32_t)(affinity >> 32));
}

INTERRUPT_CONTEXT void interrupt_dispatch(void)
{
    uint64_t id;

    __asm__ volatile("mrs %0, S3_0_C12_C12_0" : "=r"(id)::"memory"); /* ICC_IAR1_EL1 */
    if (id >= INTERRUPTS)
        return; /* spurious */
    gic_handle(id);
    __asm__ volatile("msr S3_0_C12_C12_1, %0\n\tisb" ::"r"(id) : "memory"); /* ICC_EOIR1_EL1 */
}
