/* SPDX-License-Identifier: Apache-2.0 */
/* Between gic.c (any GIC) and gic_v2.c or gic_v3.c, of which the build takes one. */
#ifndef ARM64_NATIVE_GIC_H
#define ARM64_NATIVE_GIC_H

#include "frame.h"
#include <lib/native.h>
#include <lib/tree.h>

#define GIC_TYPER 0x4
#define GIC_GROUP 0x080 /* these six in the distributor; a GICv3 has private interrupts' in a frame of their own */
#define GIC_SET_ENABLE 0x100
#define GIC_CLEAR_ENABLE 0x180
#define GIC_CLEAR_PENDING 0x280
#define GIC_PRIORITY 0x400
#define GIC_CONFIG 0xc00
#define INTERRUPTS 1020u

/* gic.c: its distributor is there, and has so many interrupts. */
void gic_found(uint64_t distributor);
/* The handler of interrupt `id`. */
INTERRUPT_CONTEXT void gic_handle(uint64_t id);
/* gic_v2.c, gic_v3.c: where the six are; have a shared interrupt come to this CPU. */
INTERRUPT_CONTEXT uint64_t gic_frame(uint32_t id);
void gic_route(uint32_t id);

#endif
