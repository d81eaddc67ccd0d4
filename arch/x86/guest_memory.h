/* SPDX-License-Identifier: Apache-2.0 */
/* The code that a vCPU executes. Own CPU, between exit and entry; uses the CPU's window. */
#ifndef ARCH_X86_GUEST_MEMORY_H
#define ARCH_X86_GUEST_MEMORY_H

#include "vendor.h"

/* Up to `count` bytes at the linear address, by its page tables, whatever they permit; how many of them there are in the
 * domain's memory. */
unsigned guest_fetch(const struct vcpu *vcpu, const struct guest_state *state, uint64_t linear, uint8_t *bytes,
                     unsigned count);

#endif
