/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual interrupts, as devices and channels see them; arch/<isa> implements it (arm64: vgic_v3.c). */
#ifndef CORE_INTERRUPT_H
#define CORE_INTERRUPT_H

#include <core/vcpu.h>

/* Any CPU, interrupts masked, no lock needed: assert (edge) or set the level of a shared interrupt line of a domain. `line` is an
 * SPI number (INTID - 32). Routed to the vCPU that the guest chose, which is interrupted when it runs elsewhere. */
void interrupt_raise(struct domain *domain, uint32_t line);
void interrupt_set_level(struct domain *domain, uint32_t line, bool level);
/* Boot CPU: physical interrupt `physical` (INTID) is passed through to `domain` under the same INTID, linked in the list
 * register so that the guest's EOI ends it. Enabled at the physical distributor when the guest enables it. */
void interrupt_pass_through(struct domain *domain, uint32_t physical);
/* Own CPU: whether an interrupt that the vCPU may take has been waiting for it, untouched, since the last call. */
bool interrupt_untaken(struct vcpu *vcpu);
/* Everything about interrupts of a stopped domain back to its reset state, passed-through ones disabled and ended. */
void interrupt_reset(struct domain *domain);

#endif
