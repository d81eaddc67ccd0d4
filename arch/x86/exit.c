// SPDX-License-Identifier: Apache-2.0
/* What a guest's exit was for. The vendor's file has found out; here it is answered. */
#include "exit.h"
#include "guest_cpu.h"
#include "vendor.h"

#include <arch/apic.h>
#include <arch/cpu.h>
#include <arch/pio.h>
#include <bulkhead/hypercall.h>
#include <core/arch.h>
#include <core/hypercall.h>
#include <core/log.h>

static bool runs(const struct vcpu *vcpu)
{
    return __atomic_load_n(&vcpu->domain->state, __ATOMIC_ACQUIRE) == DOMAIN_RUNNING &&
           __atomic_load_n(&vcpu->power, __ATOMIC_ACQUIRE) == VCPU_ON;
}

void exit_forbidden(struct vcpu *vcpu)
{
    count_exit(vcpu, EXIT_UNDEFINED_INJECTED);
    vendor->inject(vcpu, EVENT_EXCEPTION, VECTOR_UD, -1);
}

void inject_general_protection(struct vcpu *vcpu)
{
    vendor->inject(vcpu, EVENT_EXCEPTION, VECTOR_GP, 0);
}

/* There is no firmware interface behind this instruction. */
void arch_firmware_call(struct vcpu *vcpu)
{
    count_exit(vcpu, EXIT_SMC);
    vcpu->arch.x[RAX] = UINT64_MAX;
}

void exit_hypercall(struct vcpu *vcpu, uint32_t length)
{
    /* The function and nine arguments; results are in the first four. */
    static const uint8_t order[] = {RAX, RDI, RSI, RDX, RCX, R8, R9, R10, R11, R12};
    uint64_t x[10], *registers = vcpu->arch.x;
    uint32_t resets = vcpu->arch.resets;

    vcpu->arch.rip += length;
    if (((uint32_t)registers[RAX] & ~0xffu) != HC_BASE)
        return arch_firmware_call(vcpu);
    for (unsigned i = 0; i < 10; i++)
        x[i] = registers[order[i]];
    hypercall(vcpu, x);
    if (vcpu->arch.resets != resets) /* parked, and started anew */
        return;
    for (unsigned i = 0; i < 4; i++)
        registers[order[i]] = x[i];
}

void exit_cpuid(struct vcpu *vcpu, uint32_t length)
{
    uint64_t *x = vcpu->arch.x;
    struct cpuid r = guest_cpuid(vcpu, (uint32_t)x[RAX], (uint32_t)x[RCX]);

    count_exit(vcpu, EXIT_SYSREG);
    x[RAX] = r.eax;
    x[RBX] = r.ebx;
    x[RCX] = r.ecx;
    x[RDX] = r.edx;
    vcpu->arch.rip += length;
}

void exit_msr_read(struct vcpu *vcpu, uint32_t length)
{
    uint64_t *x = vcpu->arch.x, value = 0;

    count_exit(vcpu, EXIT_SYSREG);
    if (!guest_msr_read(vcpu, (uint32_t)x[RCX], &value))
        return inject_general_protection(vcpu);
    x[RAX] = (uint32_t)value;
    x[RDX] = value >> 32;
    vcpu->arch.rip += length;
}

void exit_msr_write(struct vcpu *vcpu, uint32_t length)
{
    uint64_t *x = vcpu->arch.x;

    count_exit(vcpu, (uint32_t)x[RCX] == X2APIC_ICR ? EXIT_SGI : EXIT_SYSREG);
    if (guest_msr_write(vcpu, (uint32_t)x[RCX], x[RDX] << 32 | (uint32_t)x[RAX]))
        vcpu->arch.rip += length;
    else
        inject_general_protection(vcpu);
}

void exit_xsetbv(struct vcpu *vcpu, uint32_t length)
{
    uint64_t *x = vcpu->arch.x;

    count_exit(vcpu, EXIT_SYSREG);
    if ((uint32_t)x[RCX] == 0 && xstate_enable(x[RDX] << 32 | (uint32_t)x[RAX]))
        vcpu->arch.rip += length;
    else
        inject_general_protection(vcpu);
}

void exit_port(struct vcpu *vcpu, const struct port_access *access, uint64_t next_rip)
{
    uint64_t *rax = &vcpu->arch.x[RAX];
    uint32_t value = (uint32_t)*rax;

    count_exit(vcpu, EXIT_REGISTER);
    if (access->string)
        return exit_refuse(vcpu);
    vcpu->arch.rip = next_rip;
    pio_access(vcpu, access->port, access->width, access->in, &value);
    if (!access->in)
        return;
    if (access->width == 4)
        *rax = value;
    else
        *rax = access->width == 2 ? (*rax & ~0xffffull) | (value & 0xffff) : (*rax & ~0xffull) | (value & 0xff);
}

static bool interrupted(struct vcpu *vcpu)
{
    return vlapic_next(vcpu) != 0 || (apic_virtualization != NULL && vlapic_would_deliver(vcpu));
}

void exit_halt(struct vcpu *vcpu, uint32_t length, bool interruptible)
{
    count_exit(vcpu, EXIT_WFI);
    vcpu->arch.rip += length;
    while (runs(vcpu) && !(interrupted(vcpu) && interruptible) && !vcpu->arch.nmi_pending)
        cpu_wait();
}

void exit_interrupt(struct vcpu *vcpu)
{
    count_exit(vcpu, EXIT_INTERRUPT);
    interrupts_poll();
}

/* As on a PC. */
void exit_triple_fault(struct vcpu *vcpu)
{
    domain_stop(vcpu->domain, CAUSE_GUEST_RESET, vcpu->arch.rip);
}

void exit_impossible(struct vcpu *vcpu, uint64_t reason)
{
    log_line("%s: vCPU %u cannot go on at %lx, exit %lx", vcpu->domain->config->name, vcpu->index, vcpu->arch.rip,
             reason);
    domain_stop(vcpu->domain, CAUSE_BAD_ACCESS, reason);
    vcpu_park(vcpu);
    vcpu_enter(vcpu);
}

void exit_finish(struct vcpu *vcpu)
{
    uint32_t vector;

    if (!runs(vcpu))
        vcpu_park(vcpu);
    vector = vlapic_next(vcpu); /* first: it takes up NMIs too */
    if (vcpu->arch.nmi_pending) {
        if (vendor->can_take(vcpu, EVENT_NMI)) {
            vcpu->arch.nmi_pending = false;
            vendor->inject(vcpu, EVENT_NMI, 2, -1);
        } else {
            vendor->window(vcpu, EVENT_NMI, 2);
        }
    }
    if (vector == 0)
        return;
    if (vendor->can_take(vcpu, EVENT_EXTERNAL)) {
        vlapic_take(vcpu, vector);
        vendor->inject(vcpu, EVENT_EXTERNAL, vector, -1);
    } else {
        vendor->window(vcpu, EVENT_EXTERNAL, vector);
    }
}
