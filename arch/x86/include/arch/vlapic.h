/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vCPU's local APIC (SDM volume 3A, chapter 11), in x2APIC mode from its reset on, for ever.
 *
 * Its registers are a page, as VMX's virtual-APIC page and AVIC's backing page have them, and belong to its own CPU.
 * Others leave what they send in `arrived`, with a kick, and vlapic_next() takes it up there before the vCPU is entered:
 * the one place where an interrupt is chosen. Or the CPU chooses itself (vendor.h: struct apic_virtualization), and is
 * told what is requested.
 *
 * An EOI need not exit (TLFS, "Virtual APIC assist page"): where the guest has given a page, and an edge-triggered
 * interrupt is taken while nothing else is in service or waits, bit 0 there tells it so. The guest ends the interrupt
 * by clearing the bit, which is noticed when it matters.
 */
#ifndef ARCH_VLAPIC_H
#define ARCH_VLAPIC_H

#include <stdbool.h>
#include <stdint.h>

enum vlapic_lvt { LVT_TIMER, LVT_THERMAL, LVT_PERFORMANCE, LVT_LINT0, LVT_LINT1, LVT_ERROR, VLAPIC_LVTS };

/* VMX's posted-interrupt descriptor (SDM volume 3, 30.6). */
struct vlapic_posted {
    uint32_t requests[8];
    uint32_t outstanding; /* bit 0: the CPU has been notified, and has not looked yet */
};

struct vlapic {
    uint32_t *page; /* x2APIC register `msr` is page[VLAPIC_REGISTER(msr)]; TMR: any CPU, atomic */
    /* Any CPU, atomic: */
    uint32_t arrived_words; /* bit w: arrived[w] is not zero; VLAPIC_ARRIVED_NMI */
    uint32_t arrived[8];    /* vectors, one bit each */
    struct vlapic_posted *posted; /* or here: vlapic_post(); NULL: not in use */
    /* Own CPU: */
    uint8_t requested, served; /* bit w: word w of IRR, ISR is not zero */
    uint8_t next;              /* vector that may be delivered now; 0: none */
    uint8_t masked;            /* vector that only TPR holds back; 0: none */
    uint8_t tpr;               /* as in the page, unless the CPU chooses */
    uint8_t lazy;              /* its EOI need not exit: the assist page says so to the guest; 0: none */
    bool timer_lent;           /* the CPU's own: timer_lend(). What follows of it is not in use then */
    uint64_t timer_deadline;   /* IA32_TSC_DEADLINE */
    uint64_t timer_end_ns;     /* of the current period in one-shot and periodic mode; 0: stopped */
    uint32_t *assist;          /* the vCPU's assist page, in kernel memory; NULL: the guest uses none */
    uint32_t taken;            /* counts; with `seen`, for interrupt_untaken() */
    uint32_t seen;
    bool waited;
    uint32_t eoi_exits[8]; /* vectors whose EOI exits, where the CPU delivers: those sent as level-triggered */
};
#define VLAPIC_REGISTER(msr) (((msr)-0x800) * 4)
/* Bit n: MSR 0x800 + n can be read. */
#define VLAPIC_READABLE 0x43fd01ffffffa50cull
#define VLAPIC_ARRIVED_NMI 0x100u

struct domain;
struct vcpu;

enum apic_delivery { /* as in the ICR and in the IOAPIC's entries */
                     DELIVERY_FIXED = 0,
                     DELIVERY_LOWEST = 1,
                     DELIVERY_NMI = 4,
                     DELIVERY_INIT = 5,
                     DELIVERY_STARTUP = 6,
};

void vlapic_init(struct vcpu *vcpu); /* boot CPU, once */
/* Own CPU, vCPU not running: as after a reset. */
void vlapic_reset(struct vcpu *vcpu);
/* Any CPU, no lock: a fixed interrupt of `vector` (16..255) for the vCPU. */
void vlapic_send(struct vcpu *vcpu, uint8_t vector, bool level);
/* Any CPU: the vCPUs (a mask) that a destination names; UINT32_MAX is everybody. */
uint32_t vlapic_targets(const struct domain *domain, uint32_t destination, bool logical);
/* Any CPU, the domain's lock not held unless the mode is fixed, lowest priority or NMI. Other modes do nothing. */
void vlapic_deliver(struct domain *domain, uint32_t targets, enum apic_delivery mode, uint8_t vector, bool level);

/* Own CPU, between exit and entry. What others have sent is taken up (an NMI: arch.nmi_pending); the vector that the
 * vCPU has to take as soon as it can, 0: none. */
uint32_t vlapic_next(struct vcpu *vcpu);
/* Any CPU: a vector into vlapic.posted, where the vCPU's CPU finds it without an exit. */
void vlapic_post(struct vcpu *vcpu, uint32_t vector);
/* VECTOR_POSTED has come while the vCPU did not run. */
void vlapic_notified(struct vcpu *vcpu);
/* Own CPU, where the CPU chooses, after vlapic_next(): whether it has something to deliver. */
bool vlapic_would_deliver(struct vcpu *vcpu);
/* The vCPU has taken that vector, or takes it with the entry that follows. */
void vlapic_take(struct vcpu *vcpu, uint32_t vector);
/* The CPU's timer, which the vCPU has been lent, has fired. */
void vlapic_timer_interrupt(struct vcpu *vcpu);
/* CR8 is the upper half of `tpr`. */
void vlapic_set_tpr(struct vcpu *vcpu, uint8_t tpr);
/* The guest writes to its EOI register. */
void vlapic_eoi(struct vcpu *vcpu);
/* The vCPU's assist page from here on, all zero; NULL: none. */
void vlapic_set_assist(struct vcpu *vcpu, uint32_t *page);
/* IA32_APIC_BASE, IA32_TSC_DEADLINE, 0x800..0x8ff. False: #GP. */
bool vlapic_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
bool vlapic_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);

#endif
