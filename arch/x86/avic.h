/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x2AVIC (AMD APM volume 2, 15.29): an SVM CPU that serves the guest's APIC from its page (vlapic.h) itself, IPIs
 * between running vCPUs included. svm.c asks here where apic_virtualization is not NULL.
 */
#ifndef ARCH_X86_AVIC_H
#define ARCH_X86_AVIC_H

#include <core/vcpu.h>

extern const struct apic_virtualization avic;

/* Boot CPU, once. `msr_bitmap`: of the guests, two pages, every register of the APIC exits. */
void avic_init(const uint8_t *msr_bitmap);
/* Own CPU: the VMCB of a start. The vCPU takes no IPIs before its guest has switched its APIC on. */
void avic_reset(struct vcpu *vcpu);
/* In place of svm_enter() and, from there, of svm_exit(). */
void avic_enter(struct vcpu *vcpu);
void avic_exit(struct vcpu *vcpu);

/* Exits: */
void avic_incomplete_ipi(struct vcpu *vcpu, uint64_t icr, uint64_t why);
void avic_no_acceleration(struct vcpu *vcpu, uint64_t access, uint8_t vector);
void avic_window(struct vcpu *vcpu); /* an interrupt can be taken, which has been waited for */

#endif
