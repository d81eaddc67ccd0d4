/* SPDX-License-Identifier: Apache-2.0 */
/* Between vgic.c (any GIC), vgic_v3.c or vgic_v2.c with vgic_lr_v3.c or vgic_lr_v2.c, and the exit path. */
#ifndef ARCH_ARM64_VGIC_H
#define ARCH_ARM64_VGIC_H

#include <arch/vgic_lr.h>
#include <bulkhead/guest_map.h>
#include <core/domain_tree.h>
#include <core/mmio.h>
#include <core/vcpu.h>

/* --- vgic.c --- */
/* Own CPU: bring the interrupt's place (list register or not) in line with its state. */
void vgic_update(struct vcpu *vcpu, uint32_t intid);
/* Own CPU: everything that others have put into the inbox. */
void vgic_drain(struct vcpu *vcpu);
/* Own CPU, the maintenance interrupt: `ended` are list registers whose interrupt was ended and asked to be told. */
void vgic_maintain(struct vcpu *vcpu, uint32_t ended);
/* Any CPU: have the right CPU do vgic_update(). `vcpu` is whose interrupt it is if private; else any of the domain. */
void vgic_notify(struct vcpu *vcpu, uint32_t intid);
/* Own CPU, not running: what others wait for has happened, since no list register is in use. */
void vgic_settle(struct vcpu *vcpu);
/* Own CPU: a physical interrupt has come, and is active physically. `parked`: the vCPU is not in its guest. False: it
 * is none of the domain's. */
bool vgic_physical(struct vcpu *vcpu, uint32_t intid, bool parked);
/* Own CPU of `vcpu`: SGI `intid` (0..15) to the vCPUs of `targets` (a mask; bits that are no vCPU are ignored). */
void vgic_sgi(struct vcpu *vcpu, uint32_t targets, uint32_t intid);
/* Any CPU: an edge of a private interrupt (INTID below 32) of one vCPU. */
void vgic_raise_private(struct vcpu *vcpu, uint32_t intid);
/* Own CPU, not running: private state to reset; list registers are forgotten. */
void vgic_reset_private(struct vcpu *vcpu);

/* Boot CPU: the state before the first start. */
void vgic_init_state(struct domain *domain);
/* Boot CPU: the domain has message interrupts as well: lines GUEST_LINE_MESSAGES and up. */
void vgic_add_messages(struct domain *domain);
static inline bool vgic_is_message(const struct domain *domain, uint32_t intid)
{
    return domain->arch.vgic.messages && intid - 32 - GUEST_LINE_MESSAGES < GUEST_MESSAGES;
}
/* GICD_CTLR's group enable, and a shared interrupt's route (a vCPU or VGIC_NOBODY), as the guest of `vcpu` sets them.
 */
void vgic_enable(struct vcpu *vcpu, bool on);
void vgic_route(struct vcpu *vcpu, uint32_t intid, uint8_t route);

/* The registers of one bank of 32 interrupts, which distributor and redistributor have in common: offsets 0x80..0xdff.
 */
bool vgic_bank_is_private(uint32_t offset); /* the one a redistributor has, and the distributor does not */
uint32_t vgic_bank_read(struct vcpu *vcpu, uint32_t offset);
void vgic_bank_write(struct vcpu *vcpu, uint32_t offset, uint32_t value, uint32_t mask);

/* --- vgic_lr_v3.c, vgic_lr_v2.c: list registers, own CPU, in GICv3's format --- */
#define LR_STATE (3ull << 62)
#define LR_ACTIVE (1ull << 63)
#define LR_PENDING (1ull << 62)
#define LR_LINKED (1ull << 61)
#define LR_GROUP1 (1ull << 60)
#define LR_PRIORITY_SHIFT 48
#define LR_END_TELLS (1ull << 41) /* maintenance interrupt at its end; only if not linked */
#define LR_PHYSICAL_SHIFT 32
uint64_t vgic_lr_read(uint32_t index);
void vgic_lr_write(uint32_t index, uint64_t value);
uint32_t
vgic_lr_all(void); /* those that exist, as a mask; vgic_lr_empty() in arch/vgic_lr.h: those that hold nothing */
/* Ask for the maintenance interrupt when at most one list register is in use. */
void vgic_lr_underflow(bool wanted);

/* GICv2 only: the virtual CPU interface stands at `at`. */
void vgic_map_interface(struct domain *domain, struct ipa at);

/* ICC_SGI1R_EL1, written by the guest; not with a GICv2. */
void vgic_sgi_register(struct vcpu *vcpu, uint64_t value);
/* The maintenance interrupt has come. */
void vgic_maintenance(struct vcpu *vcpu);

#endif
