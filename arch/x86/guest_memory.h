/* SPDX-License-Identifier: Apache-2.0 */
/* What a vCPU sees at a linear address. Own CPU, between exit and entry; uses the CPU's window. */
#ifndef ARCH_X86_GUEST_MEMORY_H
#define ARCH_X86_GUEST_MEMORY_H

#include "vendor.h"

#define GUEST_UNMAPPED UINT64_MAX

/* The ipa behind `linear` by the vCPU's page tables, whatever they permit; GUEST_UNMAPPED: none, or the tables lie
 * outside of the domain's memory. */
uint64_t guest_translate(const struct vcpu *vcpu, const struct guest_state *state, uint64_t linear);
/* Likewise as the vCPU's own access to data finds it, which is marked as accessed, or written. GUEST_UNMAPPED: page
 * fault with `error`. */
uint64_t guest_reach(const struct vcpu *vcpu, const struct guest_state *state, uint64_t linear, bool write,
                     uint32_t *error);
/* The domain's memory at an ipa, valid until this CPU's next access to it, or window_close(). NULL: there is none. */
uint8_t *guest_byte(const struct vcpu *vcpu, uint64_t at);
/* Up to `count` bytes of code at `linear`; how many of them there are in the domain's memory. */
unsigned guest_fetch(const struct vcpu *vcpu, const struct guest_state *state, uint64_t linear, uint8_t *bytes,
                     unsigned count);

#endif
