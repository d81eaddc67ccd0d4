/* SPDX-License-Identifier: Apache-2.0 */
/* Dispatch of include/bulkhead/hypercall.h. */
#ifndef CORE_HYPERCALL_H
#define CORE_HYPERCALL_H

#include <core/vcpu.h>

/*
 * The CPU of `vcpu`, from the exit path, which has done the calls that matter for speed itself: `x` are x0..x9 of the
 * guest; results go to x[0..3]. PSCI and SMCCC IDs go to psci_call() (arch). Unknown ones get -1.
 */
void hypercall(struct vcpu *vcpu, uint64_t *x);

#endif
