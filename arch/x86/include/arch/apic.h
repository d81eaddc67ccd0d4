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
enum x2apic_register {
    X2APIC_BASE = 0x800,
    X2APIC_ID = 0x802,
    X2APIC_VERSION = 0x803,
    X2APIC_TPR = 0x808,
    X2APIC_PPR = 0x80a,
    X2APIC_EOI = 0x80b,
    X2APIC_LDR = 0x80d,
    X2APIC_SVR = 0x80f,
    X2APIC_ISR = 0x810,
    X2APIC_TMR = 0x818,
    X2APIC_IRR = 0x820,
    X2APIC_ESR = 0x828,
    X2APIC_ICR = 0x830,
    X2APIC_LVT_TIMER = 0x832,
    X2APIC_LVT_LINT0 = 0x835,
    X2APIC_LVT_LINT1 = 0x836,
    X2APIC_LVT_ERROR = 0x837,
    X2APIC_TIMER_INITIAL = 0x838,
    X2APIC_TIMER_CURRENT = 0x839,
    X2APIC_TIMER_DIVIDE = 0x83e,
    X2APIC_SELF_IPI = 0x83f,
};
#define SVR_ENABLE (1u << 8)
#define ICR_INIT (5u << 8)
#define ICR_LOGICAL (1u << 11)
#define ICR_ASSERT (1u << 14)
#define LVT_MASKED (1u << 16)
#define LVT_TSC_DEADLINE (2u << 17)

void ioapic_init(void);   /* boot CPU; boot/x86 has masked all pins */
void apic_init_cpu(void); /* each CPU: x2APIC mode, nothing pending, own vectors on */
/* Start-up, after its INIT, to the CPU with that x2APIC ID. */
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
