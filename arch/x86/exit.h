/* SPDX-License-Identifier: Apache-2.0 */
/* The exit path: what both vendors' exits come to. All on the vCPU's own CPU; arch.rip is the instruction's. */
#ifndef ARCH_X86_EXIT_H
#define ARCH_X86_EXIT_H

#include <core/vcpu.h>

/* `length`: of the instruction. Each advances arch.rip, or injects an exception instead. */
void exit_hypercall(struct vcpu *vcpu, uint32_t length); /* from CPL 0 */
void exit_cpuid(struct vcpu *vcpu, uint32_t length);
void exit_msr_read(struct vcpu *vcpu, uint32_t length);
void exit_msr_write(struct vcpu *vcpu, uint32_t length);
void exit_xsetbv(struct vcpu *vcpu, uint32_t length);                   /* likewise */
void exit_halt(struct vcpu *vcpu, uint32_t length, bool interruptible); /* its RFLAGS.IF */

struct port_access {
    uint16_t port;
    uint8_t width; /* 1, 2, 4 */
    bool in, string; /* INS and OUTS are refused: no driver of the ports that there are has a use for them */
};
void exit_port(struct vcpu *vcpu, const struct port_access *access, uint64_t next_rip);

/* A nested page fault. */
struct page_fault {
    struct ipa ipa;
    bool write, fetch;
    bool on_walk;         /* of the guest's own page tables */
    const uint8_t *bytes; /* the instruction, if the CPU gives it */
    uint32_t bytes_count;
};
void exit_page(struct vcpu *vcpu, const struct page_fault *fault);

void exit_interrupt(struct vcpu *vcpu); /* a physical interrupt is pending, or has been taken */
void exit_triple_fault(struct vcpu *vcpu);
void exit_forbidden(struct vcpu *vcpu); /* an instruction that guests do not have: #UD */
/* Entry failed, or an exit that was not asked for: the domain stops, and is what the CPU enters next. */
_Noreturn void exit_impossible(struct vcpu *vcpu, uint64_t reason);

/* Before every entry: parks the vCPU if it is not to run, injects what is pending or opens a window. */
void exit_finish(struct vcpu *vcpu);

/* Exceptions for the guest. */
enum { VECTOR_DB = 1, VECTOR_UD = 6, VECTOR_DF = 8, VECTOR_GP = 13, VECTOR_AC = 17, VECTOR_MC = 18, EXCEPTIONS = 32 };
void inject_general_protection(struct vcpu *vcpu);

static inline void count_exit(struct vcpu *vcpu, enum exit_kind kind)
{
    vcpu->status->exits[kind]++;
}

/* An access that the kernel does not carry out. */
static inline void exit_refuse(struct vcpu *vcpu)
{
    count_exit(vcpu, EXIT_ABORT_INJECTED);
    inject_general_protection(vcpu);
}

#endif
