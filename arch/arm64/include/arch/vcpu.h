/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a vCPU and a domain are on arm64.
 *
 * A vCPU never leaves its CPU, so its EL1, FP and timer registers stay live in the CPU, and so do ELR_EL2 and SPSR_EL2:
 * whoever changes those writes the registers. Only x0..x30 are saved at an exit. While the guest runs, SP_EL2 and
 * TPIDR_EL2 are the vCPU's own address, and the CPU's EL2 stack grows down from there (smp.c lays it out so): an exit
 * saves with [sp, #offset] and calls C at once. A CPU that belongs to nobody has a vCPU that is never entered.
 */
#ifndef ARCH_VCPU_H
#define ARCH_VCPU_H

#include <arch/barrier.h>
#include <arch/vgic.h>
#include <core/address.h>

struct vcpu;

struct arch_vcpu {
    uint64_t x[31]; /* first: vectors.S saves them with SP_EL2 as base */
    uint64_t spare;
    struct vgic_vcpu vgic;
};

struct arch_domain {
    uint64_t *stage2;        /* root */
    uint64_t vttbr;          /* VTTBR_EL2 with the VMID, which is the domain's index + 1 */
    uint64_t counter_offset; /* CNTVOFF_EL2 since the domain's start; 0 for the management domain */
    struct vgic_domain vgic;
};

/* Own CPU: FP and SIMD registers to zero (bulk.S). */
void fp_reset(void);

static inline struct vcpu *vcpu_current(void)
{
    struct vcpu *vcpu;

    asm("mrs %0, tpidr_el2" : "=r"(vcpu));
    return vcpu;
}

#endif
