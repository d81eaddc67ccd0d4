/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual machine control block (AMD APM volume 2, appendix B) and what its fields hold. */
#ifndef ARCH_X86_VMCB_H
#define ARCH_X86_VMCB_H

#include <stddef.h>
#include <stdint.h>

struct vmcb_segment {
    uint16_t selector, attributes; /* attributes: descriptor bits 40..47 and 52..55, side by side */
    uint32_t limit;
    uint64_t base;
};

struct vmcb {
    uint16_t cr_reads, cr_writes, dr_reads, dr_writes;
    uint32_t exceptions;
    uint32_t intercepts[3];
    uint32_t reserved_018[10];
    uint64_t iopm, msrpm, tsc_offset;
    uint32_t asid;
    uint8_t tlb_control, reserved_05d[3];
    uint64_t interrupt; /* V_TPR and so on: below */
    uint64_t shadow;
    uint64_t exit_code, exit_info_1, exit_info_2, exit_event;
    uint64_t nested_paging, avic_bar, ghcb;
    uint64_t event; /* EVENTINJ */
    uint64_t nested_cr3, last_branch;
    uint32_t clean, reserved_0c4;
    uint64_t next_rip;
    uint8_t fetched_count, fetched[15];
    uint64_t avic_page, reserved_0e8, avic_logical, avic_physical; /* the last: table, and its last index */
    uint8_t reserved_100[0x400 - 0x100];

    struct vmcb_segment segment[6], gdtr, ldtr, idtr, tr;
    uint8_t reserved_4a0[0x4cb - 0x4a0];
    uint8_t cpl;
    uint32_t reserved_4cc;
    uint64_t efer;
    uint8_t reserved_4d8[0x548 - 0x4d8];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
    uint8_t reserved_580[0x5d8 - 0x580];
    uint64_t rsp, s_cet, ssp, isst;
    uint64_t rax, star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp, sysenter_eip, cr2;
    uint8_t reserved_648[0x668 - 0x648];
    uint64_t pat, debugctl, branch_from, branch_to, exception_from, exception_to;
    uint8_t reserved_698[0x1000 - 0x698];
};
_Static_assert(offsetof(struct vmcb, iopm) == 0x40 && offsetof(struct vmcb, interrupt) == 0x60 &&
                   offsetof(struct vmcb, event) == 0xa8 && offsetof(struct vmcb, next_rip) == 0xc8 &&
                   offsetof(struct vmcb, avic_physical) == 0xf8 && offsetof(struct vmcb, tr) == 0x490 &&
                   offsetof(struct vmcb, efer) == 0x4d0 &&
                   offsetof(struct vmcb, rip) == 0x578 && offsetof(struct vmcb, rax) == 0x5f8 &&
                   offsetof(struct vmcb, cr2) == 0x640 && offsetof(struct vmcb, pat) == 0x668 &&
                   sizeof(struct vmcb) == 0x1000,
               "APM appendix B");

#define TLB_FLUSH_ALL 1u

#define V_TPR 0xfull
#define V_IRQ (1ull << 8)
#define V_PRIORITY_SHIFT 16
#define V_IGNORE_TPR (1ull << 20)
#define V_MASKING (1ull << 24)
#define V_X2APIC (1ull << 30)
#define V_AVIC (1ull << 31)
#define V_VECTOR_SHIFT 32

#define SHADOW_ACTIVE 1ull

/* EVENTINJ and EXITINTINFO */
#define EVENT_VECTOR 0xffull
#define EVENT_TYPE_SHIFT 8
#define EVENT_TYPE 7ull
#define EVENT_ERROR_VALID (1ull << 11)
#define EVENT_VALID (1ull << 31)
#define EVENT_ERROR_SHIFT 32

/* EXITINFO1 of I/O */
#define IO_IN (1u << 0)
#define IO_STRING (1u << 2)
#define IO_SIZE(info) ((info) >> 4 & 7)
#define IO_PORT(info) ((uint16_t)((info) >> 16))

/* EXITINFO1 of a nested page fault */
#define FAULT_WRITE (1ull << 1)
#define FAULT_FETCH (1ull << 4)
#define FAULT_ON_WALK (1ull << 33)

enum svm_exit { /* appendix C; from INTR to SHUTDOWN in the order of intercepts[0], then [1] */
                SVM_CR4_WRITE = 0x14,
                SVM_EXCEPTION = 0x40,
                SVM_INTR = 0x60,
                SVM_NMI = 0x61,
                SVM_INIT = 0x63,
                SVM_VINTR = 0x64,
                SVM_RDPMC = 0x6f,
                SVM_CPUID = 0x72,
                SVM_IRET = 0x74,
                SVM_INVD = 0x76,
                SVM_HLT = 0x78,
                SVM_INVLPGA = 0x7a,
                SVM_IOIO = 0x7b,
                SVM_MSR = 0x7c,
                SVM_SHUTDOWN = 0x7f,
                SVM_VMRUN = 0x80,
                SVM_VMMCALL,
                SVM_VMLOAD,
                SVM_VMSAVE,
                SVM_STGI,
                SVM_CLGI,
                SVM_SKINIT,
                SVM_WBINVD = 0x89,
                SVM_MONITOR,
                SVM_MWAIT,
                SVM_MWAIT_ARMED,
                SVM_XSETBV,
                SVM_RDPRU,
                SVM_NPF = 0x400,
                SVM_INCOMPLETE_IPI,
                SVM_NO_ACCELERATION,
};

#endif
