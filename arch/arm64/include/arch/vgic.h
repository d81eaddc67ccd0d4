/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual interrupt controller.
 *
 * What the guest set up (enabled, priority, route, ...) stands in words that any CPU changes atomically. The list
 * registers belong to their own CPU: whoever changes something about an interrupt then has that CPU look at it with
 * vgic_notify(), through its inbox, and vgic_update() there is the one place that moves an interrupt into or out of a
 * list register. A shared interrupt is in at most one list register of the domain: that vCPU is its owner.
 *
 * vgic.c is the same for every GIC. What is a GIC's own is in vgic_v3.c (distributor, redistributors, SGI registers)
 * and vgic_lr_v3.c (list registers), or in vgic_v2.c and vgic_lr_v2.c; the build takes one of the two (choice in
 * board/Kconfig).
 */
#ifndef ARCH_VGIC_H
#define ARCH_VGIC_H

#include <bulkhead/limits.h>
#include <stdbool.h>
#include <stdint.h>

#define VGIC_INTIDS 512 /* 0..15 SGIs, 16..31 PPIs, the others shared lines */
#define VGIC_WORDS (VGIC_INTIDS / 32)
#define VGIC_LRS_MAX 16

/* 32 interrupts, one bit each; every field atomic. */
struct vgic_word {
    uint32_t enabled;
    uint32_t pending; /* latched: an edge, or set by software */
    uint32_t level;   /* the line is high */
    uint32_t edge;    /* edge-triggered; else the level counts */
    uint32_t linked;  /* passed through: the list register is linked to the physical interrupt */
    /* Orders to the vCPU that holds the interrupt, which takes them up in vgic_update(); `orders` has a bit if any has:
     */
    uint32_t orders;
    uint32_t forget;     /* not pending any more */
    uint32_t activate;   /* active, without having been taken */
    uint32_t deactivate; /* not active any more */
};

struct vgic_vcpu {
    /* Any CPU, atomic: */
    struct vgic_word own; /* INTIDs 0..31 */
    uint8_t own_priority[32];
    uint32_t arrived;     /* private edges from other CPUs, not seen yet: as good as pending */
    uint32_t inbox_words; /* bit w: inbox[w] is not zero */
    uint32_t inbox[VGIC_WORDS];
    uint32_t asleep; /* GICR_WAKER */
    /* Own CPU: */
    uint32_t waiting_words;       /* bit w: waiting[w] is not zero */
    uint32_t waiting[VGIC_WORDS]; /* deliverable, but all list registers are taken */
    uint32_t
        untaken; /* bit i: list register i was pending when interrupt_untaken() last looked, and is still unchanged */
    uint16_t lr_intid[VGIC_LRS_MAX];
    uint8_t lr_of[VGIC_INTIDS]; /* where the interrupt was last put; valid if lr_intid[] agrees and it is not empty */
};

struct vgic_domain {
    uint32_t words;     /* banks of 32 interrupts that the guest sees, the private one included */
    uint32_t enabled;   /* GICD_CTLR.EnableGrp1 */
    bool messages;      /* GICD_SETSPI_NSR and _CLRSPI_NSR are there */
    uint32_t unsettled; /* bit v: vCPU v has yet to see a change that a guest may wait for: GICD_CTLR.RWP */
    struct vgic_word shared[VGIC_WORDS - 1];
    uint8_t priority[VGIC_INTIDS - 32];
    uint8_t route[VGIC_INTIDS - 32]; /* vCPU, or VGIC_NOBODY */
    uint8_t owner[VGIC_INTIDS - 32]; /* atomic: the vCPU whose list register holds it, or VGIC_NOBODY */
};
#define VGIC_NOBODY 0xff

struct domain;
struct vcpu;

/* The two ranges (ipa) of the domain's distributor, and of its redistributors (GICv3) or CPU interface (GICv2); what is
 * compatible.
 */
struct range64;
const char *vgic_place(const struct domain *domain, struct range64 *ranges);
/* Boot CPU, after mmio's tables exist: they stand there. */
void vgic_init(struct domain *domain, uint64_t distributor, uint64_t other);
/* Own CPU, vCPU not running: private interrupts, virtual CPU interface and virtual timer to their reset state. */
void vgic_reset_vcpu(struct vcpu *vcpu);

#endif
