/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU interface of a GICv3: system registers (Arm IHI 0069). */
#ifndef ARCH_GIC_CPU_H
#define ARCH_GIC_CPU_H

#include <arch/sysreg.h>
#include <bulkhead/limits.h>

#define GIC_GROUPS UINT32_MAX                      /* group 1 */
extern uint64_t gic_kick_value[BULKHEAD_CPUS_MAX]; /* ICC_SGI1R_EL1 for each CPU */

/* What was acknowledged is what ends it; and the INTID of it. */
static inline uint32_t gic_acknowledge(void)
{
    return (uint32_t)sysreg_read(icc_iar1_el1);
}
static inline uint32_t gic_intid(uint32_t acknowledged)
{
    return acknowledged;
}
static inline void gic_drop(uint32_t acknowledged)
{
    sysreg_write(icc_eoir1_el1, acknowledged);
}
static inline void gic_end(uint32_t acknowledged)
{
    sysreg_write(icc_dir_el1, acknowledged);
}
static inline void gic_kick(uint32_t cpu)
{
    sysreg_write(icc_sgi1r_el1, gic_kick_value[cpu]);
}

#endif
