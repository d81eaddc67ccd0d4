/* SPDX-License-Identifier: Apache-2.0 */
/* Where assembly and C meet while a CPU comes up (head.S, mmu.c, smp.c, core/main.c), and the parts of arch_init(). */
#ifndef ARCH_BOOT_H
#define ARCH_BOOT_H

#include <core/vcpu.h>

/* Boot CPU, on head.S's tables: builds the kernel's own; returns what CR3 is to be. */
uint64_t mmu_build_tables(void);
_Noreturn void cpu_main(struct vcpu *vcpu); /* every other CPU, with the vCPU that its stack belongs to */
void cpus_init(void);                       /* boot CPU: platform's CPUs into cpus[]; the caller is number 0 */
void cpu_setup(void);                       /* own CPU: control registers, IDT, once */
void idt_init(void);                        /* boot CPU, before the first cpu_setup() */
void cpuid_check(void);                     /* boot CPU: refuses a CPU without what the kernel itself uses */

/* The machine is not fit for Bulkhead: one line on the serial port says why, and that is all. */
_Noreturn void boot_refuse(const char *why);

/* What the loader gave: memory, bundle (multiboot.c). The hpa of the RSDP, or 0: to be searched for. */
void multiboot_read(struct hpa information);

/* head.S: the code that a started CPU runs at TRAMPOLINE_HPA. */
extern const uint8_t trampoline_start[], trampoline_end[];
extern uint64_t kernel_cr3; /* what a started CPU is to load */

#endif
