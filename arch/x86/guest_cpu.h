/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU as guests see it: CPUID (cpuid.c), MSRs (msr.c), extended state (xstate.c), each by an allow list. */
#ifndef ARCH_X86_GUEST_CPU_H
#define ARCH_X86_GUEST_CPU_H

#include <core/vcpu.h>

struct cpuid;

/* Own CPU: what the guest's CPUID with these EAX and ECX says. */
struct cpuid guest_cpuid(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf);

/* Boot CPU: the MSRs that the guest reads and writes without exits, since nobody else uses them; 0 ends. */
const uint32_t *msr_guests_own(void);
/* Own CPU. False: #GP. */
bool guest_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
bool guest_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);
/* Own CPU, at a start: those that the vendor's file does not reset; and what was computed here until now, the kernel's
 * seeds included, cannot be found in the CPU's predictors, buffers and first cache. */
void guest_msr_reset(void);

uint64_t xstate_components(void); /* that guests may enable in XCR0; 0: no XSAVE */
/* Own CPU: XCR0 as the guest sets it. False: #GP. */
bool xstate_enable(uint64_t components);
/* Own CPU: x87, SSE and all that XSAVE manages, debug registers: as after a reset. */
void xstate_reset(void);

#endif
