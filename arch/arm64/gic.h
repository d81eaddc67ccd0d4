/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between gic.c (any GIC) and gic_v2.c or gic_v3.c, of which the build takes one (choice in board/Kconfig). What every
 * interrupt goes through is inline, in gic_v2/arch/ or gic_v3/arch/: gic_cpu.h, the CPU interface; vgic_lr.h.
 */
#ifndef ARCH_ARM64_GIC_H
#define ARCH_ARM64_GIC_H

#include <stdint.h>

enum gic_register {
    GICD_CTLR = 0x0000,
    GICD_TYPER = 0x0004,
    GICD_IGROUPR = 0x0080, /* and of a GICv3 redistributor's second frame, from here on */
    GICD_ISENABLER = 0x0100,
    GICD_ICENABLER = 0x0180,
    GICD_ISPENDR = 0x0200,
    GICD_ICPENDR = 0x0280,
    GICD_ICACTIVER = 0x0380,
    GICD_IPRIORITYR = 0x0400,
    GICD_ICFGR = 0x0c00,
};
#define INTID_KICK 1u /* SGI */
#define INTID_NONE 1020u

extern uint8_t *gic_distributor;

static inline uint32_t read32(const uint8_t *base, uint64_t offset)
{
    return *(const volatile uint32_t *)(base + offset);
}

static inline void write32(uint8_t *base, uint64_t offset, uint32_t value)
{
    *(volatile uint32_t *)(base + offset) = value;
}

/* gic.c: until none of `mask` is set any more, or a long time has passed. */
void gic_poll(const uint8_t *base, uint64_t offset, uint32_t mask);
/* gic_v2.c, gic_v3.c. The boot CPU, once: what there is beside the distributor; how GICD_CTLR is switched on. */
uint32_t gic_map(void);
/* The calling CPU: its interface, ready, with nothing enabled. */
void gic_init_interface(uint32_t cpu);
/* The registers of an interrupt: the distributor's, or the private ones of a CPU. */
uint8_t *gic_registers(uint32_t cpu, uint32_t intid);

#endif
