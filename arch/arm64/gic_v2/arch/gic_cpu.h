/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU interface of a GICv2: registers that every CPU sees its own of (Arm IHI 0048, chapter 4.4). */
#ifndef ARCH_GIC_CPU_H
#define ARCH_GIC_CPU_H

#include <bulkhead/limits.h>
#include <stdint.h>

#define GIC_GROUPS 0u              /* group 0, if the kernel has a say in it */
extern volatile uint32_t *gic_cpu; /* GICC */
extern volatile uint32_t *gic_sgir;
extern uint8_t gic_target[BULKHEAD_CPUS_MAX]; /* each CPU's interface, as a mask */
enum gicc_word { /* offset / 4 */
                 GICC_CTLR = 0x00 / 4,
                 GICC_PMR = 0x04 / 4,
                 GICC_BPR = 0x08 / 4,
                 GICC_IAR = 0x0c / 4,
                 GICC_EOIR = 0x10 / 4,
                 GICC_APR = 0xd0 / 4,
                 GICC_DIR = 0x1000 / 4,
};

/* What was acknowledged, with an SGI's sender, is what ends it; and the INTID of it. */
static inline uint32_t gic_acknowledge(void)
{
    return gic_cpu[GICC_IAR];
}
static inline uint32_t gic_intid(uint32_t acknowledged)
{
    return acknowledged & 0x3ff;
}
static inline void gic_drop(uint32_t acknowledged)
{
    gic_cpu[GICC_EOIR] = acknowledged;
}
static inline void gic_end(uint32_t acknowledged)
{
    gic_cpu[GICC_DIR] = acknowledged;
}
static inline void gic_kick(uint32_t cpu)
{
    *gic_sgir = (uint32_t)gic_target[cpu] << 16 | 1; /* INTID_KICK */
}

#endif
