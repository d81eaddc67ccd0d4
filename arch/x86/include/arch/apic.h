/* SPDX-License-Identifier: Apache-2.0 */
/* The physical local APICs, in x2APIC mode (SDM volume 3A, chapter 11), and IOAPICs. */
#ifndef ARCH_APIC_H
#define ARCH_APIC_H

#include <stdbool.h>
#include <stdint.h>

/* Vectors of physical interrupts */
#define VECTOR_LINES 0x30    /* +n: ISA interrupt n, of a domain that has a device passed through */
#define VECTOR_PCI 0x32 /* INTx of the PCI functions of the CPU's domain: ISA has no interrupt 2 */
#define VECTOR_MESSAGES 0x40 /* +i: message i of the PCI functions of the CPU's domain */
#define MESSAGES_MAX 56
#define VECTOR_TIMER 0xf0
#define VECTOR_KICK 0xf1
#define VECTOR_DEADLINE 0xf2 /* lent_timer.c */
#define VECTOR_IOMMU 0xf3    /* to CPU 0: faults are recorded */
#define VECTOR_POSTED 0xf4   /* vlapic.c; a CPU in its guest takes it without an exit */
#define VECTOR_STRAY 0xfd    /* stands for all others */
#define VECTOR_ERROR 0xfe
#define VECTOR_SPURIOUS 0xff

/* Registers as MSRs */
#define APIC_BASE_ENABLE (1u << 11)
#define APIC_BASE_X2APIC (1u << 10)
#define MSR_X2APIC(offset) (0x800u + (offset) / 16)
#define X2APIC_ID MSR_X2APIC(0x20)
#define X2APIC_TPR MSR_X2APIC(0x80)
#define X2APIC_EOI MSR_X2APIC(0xb0)
#define X2APIC_SVR MSR_X2APIC(0xf0)
#define X2APIC_ESR MSR_X2APIC(0x280)
#define X2APIC_ICR MSR_X2APIC(0x300)
#define X2APIC_LVT_TIMER MSR_X2APIC(0x320)
#define X2APIC_LVT_THERMAL MSR_X2APIC(0x330)
#define X2APIC_LVT_PERFORMANCE MSR_X2APIC(0x340)
#define X2APIC_LVT_LINT0 MSR_X2APIC(0x350)
#define X2APIC_LVT_LINT1 MSR_X2APIC(0x360)
#define X2APIC_LVT_ERROR MSR_X2APIC(0x370)
#define X2APIC_TIMER_INITIAL MSR_X2APIC(0x380)
#define X2APIC_TIMER_CURRENT MSR_X2APIC(0x390)
#define X2APIC_TIMER_DIVIDE MSR_X2APIC(0x3e0)
#define LVT_MASKED (1u << 16)
#define LVT_TSC_DEADLINE (2u << 17)

void ioapic_init(void);   /* boot CPU: all pins masked */
void apic_init_cpu(void); /* each CPU: x2APIC mode, nothing pending, own vectors on */
/* INIT or start-up to the CPU with that x2APIC ID. */
void apic_send_init(uint32_t id);
void apic_send_startup(uint32_t id, uint8_t page);

/* A fixed interrupt to the CPU of that number, the calling one included. */
void apic_send(uint32_t cpu, uint8_t vector);
/* To the CPU of that number: its guest looks at its page. In the kernel it is not heard. */
void apic_doorbell(uint32_t cpu);
/* Boot CPU: likewise, a global system interrupt. */
bool ioapic_route(uint32_t line, uint32_t cpu, uint32_t vector, bool level, bool low);
/* Boot CPU: ISA interrupt `irq` becomes VECTOR_LINES + irq on `cpu`. False: no IOAPIC has it, or reaches that CPU. */
bool ioapic_route_isa(uint32_t irq, uint32_t cpu);

/* From vectors.S: a physical interrupt, while the kernel lets it in (interrupts_poll(), cpu_wait()). */
void interrupt_handle(uint32_t vector);

#endif
