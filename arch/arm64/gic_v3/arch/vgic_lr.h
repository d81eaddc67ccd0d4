/* SPDX-License-Identifier: Apache-2.0 */
/* Which list registers of the calling CPU are empty; inline, since every delivery asks. */
#ifndef ARCH_VGIC_LR_H
#define ARCH_VGIC_LR_H

#include <arch/sysreg.h>

/* A mask; bits above the number of list registers are zero (IHI 0069, ICH_ELRSR_EL2). */
static inline uint32_t vgic_lr_empty(void)
{
    return (uint32_t)sysreg_read(ich_elrsr_el2);
}

#endif
