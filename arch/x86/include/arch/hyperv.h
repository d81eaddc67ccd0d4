/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Microsoft's public hypervisor interface (Hypervisor Top Level Functional Specification, TLFS), the part of it that
 * spares guests calibration and exits: frequencies, reference time, the EOI that does not exit. Guests other than the
 * management domain have it.
 *
 * The pages of this interface are the kernel's own, laid over the guest's memory where the guest asks for them, and
 * taken away at its reset.
 */
#ifndef ARCH_HYPERV_H
#define ARCH_HYPERV_H

#include <core/spinlock.h>
#include <stdbool.h>

struct hyperv_domain {
    struct spinlock lock; /* pages laid over memory: one vCPU at a time */
    uint64_t guest_os_id, hypercall, reference_tsc, tsc_invariant;
    struct hyperv_reference_tsc *time; /* its page */
};
struct hyperv_vcpu {       /* own CPU */
    uint64_t assist;       /* HV_X64_MSR_VP_ASSIST_PAGE */
    uint32_t *assist_page; /* in kernel memory; whether in use: vlapic.assist */
};

struct cpuid;
struct domain;
struct vcpu;

void hyperv_init(struct domain *domain);   /* boot CPU: its pages */
void hyperv_reset(struct domain *domain);  /* the domain is stopped */
void hyperv_reset_vcpu(struct vcpu *vcpu); /* own CPU, vCPU not running, before vlapic_reset() */
/* Leaves 0x40000000 to 0x400000ff; all zero: there is nothing. */
struct cpuid hyperv_cpuid(const struct vcpu *vcpu, uint32_t leaf);
/* Whether CPUID 0x80000007 may show the invariant TSC: the guest has asked for it. */
bool hyperv_tsc_invariant(const struct vcpu *vcpu);
/* MSRs 0x40000000 to 0x400001ff. False: #GP. */
bool hyperv_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
bool hyperv_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);

#endif
