/* SPDX-License-Identifier: Apache-2.0 */
/* What boot/x86 has found out about the machine, and hands to the kernel with the CPU. */
#ifndef ARCH_MACHINE_H
#define ARCH_MACHINE_H

#include <arch/dmar.h>
#include <arch/ivrs.h>
#include <core/platform.h>

struct machine {
    struct platform platform;
    struct dmar dmar;
    struct ivrs ivrs;
    char flaw[80]; /* why it cannot be used; empty: it can */
};

#endif
