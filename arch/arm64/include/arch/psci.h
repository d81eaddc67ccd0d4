/* SPDX-License-Identifier: Apache-2.0 */
/* PSCI (Arm DEN0022): ours for guests, and the firmware's for us. */
#ifndef ARCH_PSCI_H
#define ARCH_PSCI_H

#include <core/vcpu.h>

/* The CPU of `vcpu`, from the exit path of HVC #0: every SMCCC function ID that is not Bulkhead's own. `x`: x0..x3 of the guest. */
void psci_call(struct vcpu *vcpu, uint64_t *x);

#endif
