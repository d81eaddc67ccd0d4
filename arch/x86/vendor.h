/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What VMX and SVM do each in their own way (vmx.c, svm.c). One of the two is chosen at boot (vendor.c).
 *
 * An exit: the vendor's assembly stores the general registers, its C function sets arch.rip, calls the exit_*()
 * function for what happened (exit.h), then exit_finish(); then it writes back RIP and enters again. All on the vCPU's
 * own CPU.
 */
#ifndef ARCH_X86_VENDOR_H
#define ARCH_X86_VENDOR_H

#include <arch/stage2.h>
#include <core/vcpu.h>

/* Segments by their number in instructions, and the two that only system instructions name. */
enum { ES, CS, SS, DS, FS, GS, LDTR, TR, SEGMENTS };

struct segment {
    uint64_t base;
    uint32_t limit;
    uint16_t selector;
    uint16_t access; /* as VMX has it: type, S, DPL, P in bits 0..7; AVL, L, D, G in bits 12..15 */
};
#define ACCESS_PRESENT 0x80u

/* All of it that a vCPU starts with, besides x[] and rip; what is not here is as after INIT (SDM 3A table 10-1). */
struct start_state {
    uint64_t cr0, cr3, cr4, efer;
    struct segment segment[SEGMENTS];
    uint64_t gdt_base;
    uint16_t gdt_limit;
};

/* What the decoder of instructions asks about. */
struct guest_state {
    uint64_t cr0, cr3, cr4, efer, rsp;
    uint64_t code_base; /* of CS */
    bool code64, code32; /* CS.L in long mode; else CS.D */
};

enum event_type {
    EVENT_EXTERNAL = 0,
    EVENT_NMI = 2,
    EVENT_EXCEPTION = 3
}; /* as in EVENTINJ and VMX's interruption info */

struct vendor {
    const char *name;
    /* Boot CPU: NULL, or what this machine lacks, for one line of the log. */
    const char *(*probe)(void);
    /* Boot CPU, once: memory that all vCPUs share, and each vCPU's own (arch.control). */
    void (*init)(void);
    /* Every CPU, once. */
    void (*cpu_enable)(struct vcpu *vcpu);
    /* Own CPU: the state of a start; nothing pending, no translation kept. */
    void (*reset)(struct vcpu *vcpu, const struct start_state *state);
    void (*enter)(struct vcpu *vcpu); /* never returns */
    /* Own CPU, between exit and entry: */
    void (*state)(struct vcpu *vcpu, struct guest_state *state);
    bool (*can_take)(struct vcpu *vcpu,
                     enum event_type type); /* IF, no shadow, no event on its way; NMI: not blocked */
    void (*inject)(struct vcpu *vcpu, enum event_type type, uint32_t vector, int64_t error); /* error < 0: none */
    /* Exit as soon as the vCPU can take an interrupt of `vector`'s class, or (EVENT_NMI) an NMI. */
    void (*window)(struct vcpu *vcpu, enum event_type type, uint32_t vector);
    /* MSRs that live in the control block or need its help (EFER, PAT, DEBUGCTL, ...). False: #GP. */
    bool (*msr_read)(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
    bool (*msr_write)(struct vcpu *vcpu, uint32_t msr, uint64_t value);
    /* The guest uses the CPU's APIC timer itself: it reads and writes the TSC deadline where the CPU has that mode, else
     * the initial count, and reads the current count (not where the CPU virtualizes the APIC). */
    void (*lend_timer)(struct vcpu *vcpu, bool lent);
    /* NULL: cannot. Exit, and deadline_interrupt(), when the TSC has come to `count`; 0: never. */
    void (*deadline)(struct vcpu *vcpu, uint64_t count);
    struct nested_format format;
};

/*
 * What the CPU is told where it chooses among the interrupts in a vCPU's APIC page (vlapic.h) itself, and answers EOI, TPR,
 * IPIs to self and most reads, without an exit. Own CPU, except for notify().
 */
struct apic_virtualization {
    /* IRR gets those of the 32 vectors from 32 * word on. */
    void (*request)(struct vcpu *vcpu, uint32_t word, uint32_t vectors);
    void (*service)(uint32_t vector); /* ISR or TPR has changed: the highest in ISR; 0: none */
    /* Vectors from 32 * word on whose EOI is vioapic_eoi()'s as well. */
    void (*exit_on_eoi)(uint32_t word, uint32_t vectors);
    void (*watch)(struct vcpu *vcpu); /* vlapic.taken counts on when the vCPU could take an interrupt */
    /* NULL: cannot. Any CPU: an edge, which the vCPU takes without an exit if it runs. */
    void (*post)(struct vcpu *vcpu, uint32_t vector);
    /* Of vlapic_post(), else NULL. VECTOR_POSTED: a CPU that runs the vCPU takes up what is in vlapic.posted. */
    void (*notify)(struct vcpu *vcpu);
};
extern const struct apic_virtualization *apic_virtualization; /* const after boot; NULL: vlapic.c chooses */

extern const struct vendor svm, vmx;
extern const struct vendor *vendor; /* const after boot */

/* Boot CPU: chooses, or stops the boot with one clear line. */
void vendor_choose(void);

#endif
