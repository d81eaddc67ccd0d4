/* SPDX-License-Identifier: Apache-2.0 */
/* The physical GICv3 (gic_v3.c). */
#ifndef ARCH_GIC_H
#define ARCH_GIC_H

#include <stdbool.h>

void gic_init_distributor(void); /* boot CPU, once: everything disabled, affinity routing on */
void gic_init_cpu(void);         /* each CPU: its redistributor, CPU interface, virtual interface off */

#endif
