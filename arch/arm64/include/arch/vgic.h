/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual interrupt controller's state and the other per-vCPU and per-domain devices. */
#ifndef ARCH_VGIC_H
#define ARCH_VGIC_H

#include <stdint.h>

struct vgic_vcpu {
    uint32_t reserved;
};

struct vgic_domain {
    uint32_t reserved;
};

#endif
