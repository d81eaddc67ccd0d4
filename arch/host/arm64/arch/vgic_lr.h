/* SPDX-License-Identifier: Apache-2.0 */
/* The fake machine's list registers (machine.c). */
#ifndef ARCH_VGIC_LR_H
#define ARCH_VGIC_LR_H

#include <stdint.h>

uint32_t vgic_lr_empty(void);

#endif
