/* SPDX-License-Identifier: Apache-2.0 */
/* Where assembly and C meet while a CPU comes up (head.S, mmu.c, smp.c, core/main.c), and the parts of arch_init(). */
#ifndef ARCH_BOOT_H
#define ARCH_BOOT_H

#include <core/vcpu.h>

/* Boot CPU, on boot/x86's tables: builds the kernel's own (level4), and what a started CPU comes up on (boot_level4). */
void mmu_build_tables(void);
_Noreturn void cpu_main(struct vcpu *vcpu); /* every other CPU, with the vCPU that its stack belongs to */
void cpus_init(void);                       /* boot CPU: platform's CPUs into cpus[]; the caller is number 0 */
void cpu_setup(void);                       /* own CPU: control registers, IDT, local APIC, timer, once */
void idt_init(void);                        /* boot CPU, once */
void idt_load(void);                        /* own CPU */
/* Own CPU: a task state by which a double fault has a stack of its own, once the CPU has it in TR for good. */
uint64_t cpu_task_state(const struct vcpu *vcpu);

/* The machine is not fit for Bulkhead: one line on the serial port says why, and that is all. */
_Noreturn void boot_refuse(const char *why);

/* What head.S looks a started CPU's number up in. */
extern uint32_t cpu_ids[BULKHEAD_CPUS_MAX];
extern uint32_t platform_cpus;
/* head.S: the code that a started CPU runs at TRAMPOLINE_HPA. */
extern const uint8_t trampoline_start[], trampoline_end[];

#endif
