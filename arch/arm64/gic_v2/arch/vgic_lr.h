/* SPDX-License-Identifier: Apache-2.0 */
/* Which list registers of the calling CPU are empty; inline, since every delivery asks. */
#ifndef ARCH_VGIC_LR_H
#define ARCH_VGIC_LR_H

#include <stdint.h>

#define GICH_ELRSR0 (0x30 / 4)
extern volatile uint32_t *gic_hypervisor; /* GICH */

/* A mask; bits above the number of list registers are zero (IHI 0048, GICH_ELRSR0). */
static inline uint32_t vgic_lr_empty(void)
{
    return gic_hypervisor[GICH_ELRSR0];
}

#endif
