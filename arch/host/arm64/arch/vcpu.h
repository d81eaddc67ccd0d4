/* SPDX-License-Identifier: Apache-2.0 */
/* The fake architecture: what core/ and the vGIC's logic need of a vCPU. Machine: arch/host/machine.h. */
#ifndef ARCH_VCPU_H
#define ARCH_VCPU_H

#include <arch/vgic.h>
#include <core/address.h>

struct arch_vcpu {
    uint64_t x[31];
    struct vgic_vcpu vgic;
};

struct arch_domain {
    uint64_t *stage2, vttbr;
    uint64_t counter_offset;
    struct vgic_domain vgic;
};

struct vcpu;
struct vcpu *vcpu_current(void);

#endif
