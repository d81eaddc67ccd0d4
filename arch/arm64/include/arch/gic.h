/* SPDX-License-Identifier: Apache-2.0 */
/* The physical GIC: gic.c, and gic_v3.c or gic_v2.c. */
#ifndef ARCH_GIC_H
#define ARCH_GIC_H

#include <core/address.h>
#include <stdbool.h>
#include <stdint.h>

struct vcpu;

/* Boot CPU, while the machine's device tree is mapped: its place into `platform`. The tree's node of it. */
int gic_find(void);
void gic_init(void);     /* boot CPU, once: everything disabled */
void gic_init_cpu(void); /* each CPU: its private interrupts, CPU interface, virtual CPU interface */

/* The exit by IRQ: take one physical interrupt and handle it. True: the vCPU's or its domain's state may have changed.
 */
bool gic_interrupt(struct vcpu *vcpu);

/* Any CPU: one physical interrupt. `cpu` says whose it is if the interrupt is private (INTID < 32); with a GICv2,
 * the calling CPU is. */
void gic_enable(uint32_t cpu, uint32_t intid, bool on);
void gic_configure(uint32_t intid, bool edge); /* shared ones only; while disabled */
void gic_route(uint32_t intid, uint32_t cpu);  /* shared ones only */
void gic_set_pending(uint32_t cpu, uint32_t intid, bool pending);
/* Boot CPU: a shared interrupt of the kernel's own, an edge, comes to this CPU. A few. */
void gic_claim(uint32_t intid, void (*handler)(void));

/* Message interrupts (LPIs): whether there are any; a CPU's redistributor, whose registers say if it takes them. */
bool gic_has_lpis(void);
uint8_t *gic_redistributor(uint32_t cpu);
void gic_deactivate(uint32_t cpu, uint32_t intid);

#endif
