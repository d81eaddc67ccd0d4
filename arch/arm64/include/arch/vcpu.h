/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a vCPU and a domain are on arm64.
 *
 * A vCPU never leaves its CPU, so its EL1, FP and timer registers stay live in the CPU: only what an exit must free
 * (general registers, ELR, SPSR) is saved, in the frame. While the guest runs, SP_EL2 is the vCPU's own address, and
 * the CPU's EL2 stack grows down from there (smp.c lays it out so): an exit saves with [sp, #offset] and calls C at once.
 * TPIDR_EL2 holds the CPU's struct cpu.
 */
#ifndef ARCH_VCPU_H
#define ARCH_VCPU_H

#include <arch/barrier.h>
#include <arch/vgic.h> /* struct vgic_cpu, struct vgic_domain */
#include <core/address.h>

/* Offsets are known to vectors.S. */
struct guest_frame {
    uint64_t x[31];
    uint64_t pc;   /* ELR_EL2 */
    uint64_t spsr; /* SPSR_EL2 */
    uint64_t reserved;
};

struct arch_vcpu {
    struct guest_frame frame; /* first */
    uint64_t vmpidr;          /* VMPIDR_EL2: affinity = index in the domain */
    struct vgic_cpu vgic;
};

struct arch_domain {
    uint64_t *stage2; /* root: stage2_root_pages() concatenated level 1 tables; NULL while there is none */
    uint64_t vttbr;   /* VTTBR_EL2 with the VMID, which is the domain's index + 1 */
    struct vgic_domain vgic;
};

#endif
