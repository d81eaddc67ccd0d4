/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual-machine control structure: encodings and bits that the kernel uses (Intel SDM volume 3, appendix B, chapters 25 to 28). */
#ifndef ARCH_X86_VMCS_H
#define ARCH_X86_VMCS_H

#include <core/vcpu.h>

enum vmcs_field {
    /* 16 bits */
    VMCS_VPID = 0x0000,
    VMCS_POSTED_VECTOR = 0x0002,
    VMCS_GUEST_INTERRUPT_STATUS = 0x0810, /* RVI, SVI */
    VMCS_GUEST_ES_SELECTOR = 0x0800,      /* ES, CS, SS, DS, FS, GS, LDTR, TR: 2 apart, here and below */
    VMCS_HOST_ES_SELECTOR = 0x0c00,
    VMCS_HOST_CS_SELECTOR = 0x0c02,
    VMCS_HOST_SS_SELECTOR = 0x0c04,
    VMCS_HOST_DS_SELECTOR = 0x0c06,
    VMCS_HOST_FS_SELECTOR = 0x0c08,
    VMCS_HOST_GS_SELECTOR = 0x0c0a,
    VMCS_HOST_TR_SELECTOR = 0x0c0c,
    /* 64 bits */
    VMCS_IO_BITMAP_A = 0x2000,
    VMCS_IO_BITMAP_B = 0x2002,
    VMCS_MSR_BITMAP = 0x2004,
    VMCS_TSC_OFFSET = 0x2010,
    VMCS_VIRTUAL_APIC = 0x2012,
    VMCS_POSTED_DESCRIPTOR = 0x2016,
    VMCS_EPT_POINTER = 0x201a,
    VMCS_EOI_EXITS = 0x201c, /* 64 vectors each: 4 of them, 2 apart */
    VMCS_ENCLS_BITMAP = 0x202e,
    VMCS_GUEST_PHYSICAL_ADDRESS = 0x2400,
    VMCS_LINK_POINTER = 0x2800,
    VMCS_GUEST_DEBUGCTL = 0x2802,
    VMCS_GUEST_PAT = 0x2804,
    VMCS_GUEST_EFER = 0x2806,
    VMCS_HOST_PAT = 0x2c00,
    VMCS_HOST_EFER = 0x2c02,
    /* 32 bits */
    VMCS_PIN_CONTROLS = 0x4000,
    VMCS_PROCESSOR_CONTROLS = 0x4002,
    VMCS_EXCEPTION_BITMAP = 0x4004,
    VMCS_PAGE_FAULT_MASK = 0x4006,
    VMCS_PAGE_FAULT_MATCH = 0x4008,
    VMCS_CR3_TARGETS = 0x400a,
    VMCS_EXIT_CONTROLS = 0x400c,
    VMCS_EXIT_MSR_STORES = 0x400e,
    VMCS_EXIT_MSR_LOADS = 0x4010,
    VMCS_ENTRY_CONTROLS = 0x4012,
    VMCS_ENTRY_MSR_LOADS = 0x4014,
    VMCS_ENTRY_EVENT = 0x4016,
    VMCS_ENTRY_ERROR_CODE = 0x4018,
    VMCS_ENTRY_LENGTH = 0x401a,
    VMCS_TPR_THRESHOLD = 0x401c,
    VMCS_SECONDARY_CONTROLS = 0x401e,
    VMCS_INSTRUCTION_ERROR = 0x4400,
    VMCS_EXIT_REASON = 0x4402,
    VMCS_EXIT_EVENT = 0x4404,
    VMCS_EXIT_ERROR_CODE = 0x4406,
    VMCS_VECTORING_EVENT = 0x4408,
    VMCS_VECTORING_ERROR_CODE = 0x440a,
    VMCS_EXIT_LENGTH = 0x440c,
    VMCS_GUEST_ES_LIMIT = 0x4800,
    VMCS_GUEST_GDTR_LIMIT = 0x4810,
    VMCS_GUEST_IDTR_LIMIT = 0x4812,
    VMCS_GUEST_ES_RIGHTS = 0x4814,
    VMCS_GUEST_INTERRUPTIBILITY = 0x4824,
    VMCS_GUEST_ACTIVITY = 0x4826,
    VMCS_GUEST_SYSENTER_CS = 0x482a,
    VMCS_PREEMPTION_TIMER = 0x482e,
    VMCS_HOST_SYSENTER_CS = 0x4c00,
    /* natural width */
    VMCS_CR0_MASK = 0x6000,
    VMCS_CR4_MASK = 0x6002,
    VMCS_CR0_SHADOW = 0x6004,
    VMCS_CR4_SHADOW = 0x6006,
    VMCS_QUALIFICATION = 0x6400,
    VMCS_GUEST_CR0 = 0x6800,
    VMCS_GUEST_CR3 = 0x6802,
    VMCS_GUEST_CR4 = 0x6804,
    VMCS_GUEST_ES_BASE = 0x6806,
    VMCS_GUEST_GDTR_BASE = 0x6816,
    VMCS_GUEST_IDTR_BASE = 0x6818,
    VMCS_GUEST_DR7 = 0x681a,
    VMCS_GUEST_RSP = 0x681c,
    VMCS_GUEST_RIP = 0x681e,
    VMCS_GUEST_RFLAGS = 0x6820,
    VMCS_GUEST_PENDING_DEBUG = 0x6822,
    VMCS_GUEST_SYSENTER_ESP = 0x6824,
    VMCS_GUEST_SYSENTER_EIP = 0x6826,
    VMCS_HOST_CR0 = 0x6c00,
    VMCS_HOST_CR3 = 0x6c02,
    VMCS_HOST_CR4 = 0x6c04,
    VMCS_HOST_FS_BASE = 0x6c06,
    VMCS_HOST_GS_BASE = 0x6c08,
    VMCS_HOST_TR_BASE = 0x6c0a,
    VMCS_HOST_GDTR_BASE = 0x6c0c,
    VMCS_HOST_IDTR_BASE = 0x6c0e,
    VMCS_HOST_SYSENTER_ESP = 0x6c10,
    VMCS_HOST_SYSENTER_EIP = 0x6c12,
    VMCS_HOST_RSP = 0x6c14,
    VMCS_HOST_RIP = 0x6c16,
};

/* 25.6.1: pin-based controls */
#define PIN_INTERRUPT_EXITING (1u << 0)
#define PIN_NMI_EXITING (1u << 3)
#define PIN_VIRTUAL_NMIS (1u << 5)
#define PIN_PREEMPTION_TIMER (1u << 6)
#define PIN_POSTED_INTERRUPTS (1u << 7)
/* 25.6.2: processor-based controls */
#define PROCESSOR_INTERRUPT_WINDOW (1u << 2)
#define PROCESSOR_TSC_OFFSET (1u << 3)
#define PROCESSOR_HLT (1u << 7)
#define PROCESSOR_MWAIT (1u << 10)
#define PROCESSOR_RDPMC (1u << 11)
#define PROCESSOR_CR8_LOAD (1u << 19)
#define PROCESSOR_CR8_STORE (1u << 20)
#define PROCESSOR_TPR_SHADOW (1u << 21)
#define PROCESSOR_NMI_WINDOW (1u << 22)
#define PROCESSOR_IO_ALL (1u << 24)
#define PROCESSOR_IO_BITMAPS (1u << 25)
#define PROCESSOR_MSR_BITMAPS (1u << 28)
#define PROCESSOR_MONITOR (1u << 29)
#define PROCESSOR_SECONDARY (1u << 31)
#define SECONDARY_EPT (1u << 1)
#define SECONDARY_RDTSCP (1u << 3)
#define SECONDARY_VIRTUAL_X2APIC (1u << 4)
#define SECONDARY_VPID (1u << 5)
#define SECONDARY_WBINVD (1u << 6)
#define SECONDARY_UNRESTRICTED (1u << 7)
#define SECONDARY_APIC_REGISTERS (1u << 8)
#define SECONDARY_VIRTUAL_INTERRUPTS (1u << 9)
#define SECONDARY_INVPCID (1u << 12)
#define SECONDARY_ENCLS (1u << 15)
/* 25.7.1, 25.8.1: exit and entry controls */
#define EXIT_SAVE_DEBUG (1u << 2)
#define EXIT_HOST_64 (1u << 9)
#define EXIT_ACKNOWLEDGE (1u << 15) /* an interrupt is taken by its exit */
#define EXIT_SAVE_PAT (1u << 18)
#define EXIT_LOAD_PAT (1u << 19)
#define EXIT_SAVE_EFER (1u << 20)
#define EXIT_LOAD_EFER (1u << 21)
#define ENTRY_LOAD_DEBUG (1u << 2)
#define ENTRY_GUEST_64 (1u << 9)
#define ENTRY_LOAD_PAT (1u << 14)
#define ENTRY_LOAD_EFER (1u << 15)

/* 25.8.3, 25.9.2, 25.9.3: an event, entering or leaving; types as enum event_type, and these */
#define INFO_VECTOR 0xffu
#define INFO_TYPE 0x700u
#define INFO_ERROR_CODE (1u << 11)
#define INFO_VALID (1u << 31)
#define TYPE_SOFTWARE_INTERRUPT 4u
#define TYPE_PRIVILEGED_EXCEPTION 5u /* INT1 */

/* 25.4.2: interruptibility */
#define BLOCKED_BY_STI 1u
#define BLOCKED_BY_MOV_SS 2u
#define BLOCKED_BY_NMI 8u

/* Appendix C: basic exit reasons */
enum vmx_reason {
    VMX_EXCEPTION_OR_NMI = 0,
    VMX_INTERRUPT = 1,
    VMX_TRIPLE_FAULT = 2,
    VMX_INTERRUPT_WINDOW = 7,
    VMX_NMI_WINDOW = 8,
    VMX_TASK_SWITCH = 9,
    VMX_CPUID = 10,
    VMX_GETSEC = 11,
    VMX_HLT = 12,
    VMX_INVD = 13,
    VMX_RDPMC = 15,
    VMX_VMCALL = 18,
    VMX_VMXON = 27, /* VMCLEAR (19) to VMXON: the VMX instructions */
    VMX_CR_ACCESS = 28,
    VMX_IO = 30,
    VMX_RDMSR = 31,
    VMX_WRMSR = 32,
    VMX_MWAIT = 36,
    VMX_MONITOR = 39,
    VMX_VIRTUALIZED_EOI = 45,
    VMX_EPT_VIOLATION = 48,
    VMX_INVEPT = 50,
    VMX_PREEMPTION_TIMER = 52,
    VMX_INVVPID = 53,
    VMX_WBINVD = 54,
    VMX_XSETBV = 55,
    VMX_APIC_WRITE = 56,
    VMX_ENCLS = 60,
};

/* The current VMCS is the calling CPU's only one, from vmx_vcpu_init() on. */
static inline uint64_t vmcs_read(enum vmcs_field field)
{
    uint64_t value;

    asm volatile("vmread %1, %0" : "=rm"(value) : "r"((uint64_t)field) : "cc");
    return value;
}

static inline void vmcs_write(enum vmcs_field field, uint64_t value)
{
    asm volatile("vmwrite %1, %0" ::"r"((uint64_t)field), "rm"(value) : "cc");
}

#endif
