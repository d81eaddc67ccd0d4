/* SPDX-License-Identifier: Apache-2.0 */
/* What boot/x86 has found out about the machine, and hands to the kernel with the CPU. */
#ifndef ARCH_MACHINE_H
#define ARCH_MACHINE_H

#include <arch/dmar.h>
#include <arch/ivrs.h>
#include <core/platform.h>
#include <core/seed.h>

struct machine {
    struct platform platform;
    struct dmar dmar;
    struct ivrs ivrs;
    uint8_t seed[SEED_SIZE + 8]; /* entropy: of the CPU, where it gives some; of the clock */
    uint32_t seed_size;
    char flaw[80]; /* why it cannot be used; empty: it can */
};

#endif
