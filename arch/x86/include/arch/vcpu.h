/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a vCPU and a domain are on x86-64.
 *
 * A vCPU never leaves its CPU, and the kernel uses no x87, SSE, debug, FS, GS or SYSCALL register of its own: the
 * guest's stay live in the CPU (SVM: TR and LDTR too, so no exception has a stack of its own). Only general registers are
 * stored at an exit. Each CPU has CPU_AREA_SIZE bytes, aligned to their size: its stack, and above that its vCPU, to
 * which RSP points while the guest runs. So an exit stores with [rsp + offset] and calls C at once, and any RSP tells
 * whose CPU this is. A CPU that belongs to nobody has a vCPU that is never entered.
 */
#ifndef ARCH_VCPU_H
#define ARCH_VCPU_H

#include <arch/barrier.h>
#include <arch/guest_start.h>
#include <arch/hyperv.h>
#include <arch/layout.h>
#include <arch/vioapic.h>
#include <arch/vlapic.h>
#include <core/address.h>

struct vcpu;

/* General registers by their number in instructions. */
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

struct arch_vcpu {
    uint64_t x[16]; /* first: assembly stores them with RSP as base. x[RSP] is not kept: see struct guest_state */
    uint64_t rip;   /* at the exit; handlers advance it */
    void *control;  /* SVM: the VMCB, VMX: the VMCS */
    uint64_t control_hpa;
    uint64_t tsc_offset; /* guest's TSC minus the CPU's */
    uint32_t resets;     /* own CPU: counts vcpu_reset() */
    bool nmi_pending;    /* own CPU: an NMI to inject */
    bool flush;          /* own CPU: forget translations before the next entry */
    struct vlapic vlapic;
    struct hyperv_vcpu hyperv;
    struct {                 /* svm.c's own */
        uint64_t nmi_return; /* RIP of the IRET that ends NMI blocking; 0: not seen yet */
        uint32_t offered;    /* vector in V_INTR_VECTOR; 0: none */
        bool nmi_blocked;
        bool watched; /* avic.c: an interrupt waits, and the window for it is waited for */
    } svm;
    struct {               /* vmx.c's own */
        uint64_t deadline; /* TSC at which the preemption timer makes an exit; 0: never */
    } vmx;
};

#define STAGE2_SPARE_TABLES_MAX 16
struct arch_domain {
    uint64_t *stage2;     /* root (level 4) */
    uint64_t stage2_root; /* its hpa */
    uint64_t *spare;      /* tables for stage2_overlay(), how many are left, and of how many */
    uint32_t spare_count, spare_tables;
    uint64_t *split[STAGE2_SPARE_TABLES_MAX]; /* entries that such a table was put to, from the end down */
    uint64_t counter_offset; /* added to the CPU's TSC: the guest's begins at 0; 0 for the management domain */
    uint8_t *ports;          /* bitmap of I/O ports that exit, 8 KiB (and one page more); NULL: all exit */
    struct guest_start start;
    struct vioapic vioapic;
    struct hyperv_domain hyperv;
};

/* vcpu_reset()'s context of a vCPU that a SIPI starts: real mode, at entry = vector << 12. */
#define VCPU_CONTEXT_SIPI UINT64_MAX

static inline struct vcpu *vcpu_current(void)
{
    uint64_t sp;

    asm("mov %%rsp, %0" : "=r"(sp));
    return (struct vcpu *)((sp & -(uint64_t)CPU_AREA_SIZE) + CPU_VCPU);
}

#endif
