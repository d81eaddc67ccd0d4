/* SPDX-License-Identifier: Apache-2.0 */
/* The exit path: from the vectors to whoever answers. All on the vCPU's own CPU. */
#ifndef ARCH_ARM64_EXIT_H
#define ARCH_ARM64_EXIT_H

#include <core/vcpu.h>

/* vectors.S calls these with the guest's registers stored. */
void exit_sync(struct vcpu *vcpu);
void exit_irq(struct vcpu *vcpu);
void exit_serror(struct vcpu *vcpu);

/* inject.c: the guest takes an exception at EL1 for the instruction that made the exit. */
void inject_undefined(struct vcpu *vcpu);
/* A synchronous external abort; `esr` is ESR_EL2 of the guest's abort. */
void inject_abort(struct vcpu *vcpu, uint64_t esr);

/* sysreg.c: a system register or instruction that traps. */
void sysreg_trap(struct vcpu *vcpu, uint64_t esr);

static inline void count_exit(struct vcpu *vcpu, enum exit_kind kind)
{
    vcpu->status->exits[kind]++;
}

#endif
