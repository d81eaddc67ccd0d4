/* SPDX-License-Identifier: Apache-2.0 */
/* Dispatch of include/bulkhead/hypercall.h. */
#ifndef CORE_HYPERCALL_H
#define CORE_HYPERCALL_H

#include <core/vcpu.h>

/*
 * The CPU of `vcpu`, from the exit path of HVC #0: reads the function ID and the arguments from the vCPU's x0..x9,
 * writes the results to its x0..x3, counts the exit. PSCI and SMCCC IDs go to arch_firmware_call(). Unknown ones get
 * -1.
 */
void hypercall(struct vcpu *vcpu);

#endif
