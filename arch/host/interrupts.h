/* SPDX-License-Identifier: Apache-2.0 */
/* What the fake machine asks of the architecture whose interrupt controller is tested: arm64/gic.c or x86/apic.c. */
#ifndef ARCH_HOST_INTERRUPTS_H
#define ARCH_HOST_INTERRUPTS_H

#include "machine.h"

uint32_t machine_cpu(void); /* that calls the kernel: machine_on() */

void machine_interrupts_platform(void); /* what the machine has */
void machine_interrupts_init(struct domain *domain);
void machine_interrupts_reset(struct vcpu *vcpu);
/* The current CPU, of `vcpu`, looks after its virtual interrupts. True: something was done. */
bool machine_interrupts_settle(struct vcpu *vcpu, bool requested);

#endif
