/* SPDX-License-Identifier: Apache-2.0 */
/* Dispatch of include/bulkhead/hypercall.h. */
#ifndef CORE_HYPERCALL_H
#define CORE_HYPERCALL_H

#include <core/vcpu.h>

/*
 * The CPU of `vcpu`, from the exit path of a hypercall: `x` are ten of the vCPU's registers in the ABI's order, the
 * function ID and nine arguments, of which the first four take the results. Counts the exit. What is not Bulkhead's own
 * goes to arch_firmware_call(). Unknown IDs get -1. The vCPU may be parked in here: its registers are then those of its
 * next start.
 */
void hypercall(struct vcpu *vcpu, uint64_t *x);

#endif
