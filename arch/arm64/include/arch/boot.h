/* SPDX-License-Identifier: Apache-2.0 */
/* Where assembly and C meet while a CPU comes up (head.S, mmu.c, smp.c, core/main.c). */
#ifndef ARCH_BOOT_H
#define ARCH_BOOT_H

#include <core/platform.h>
#include <core/vcpu.h>

void mmu_build_tables(uint64_t image);      /* boot CPU, MMU off; image: hpa of image_head */
struct memory_range kernel_memory(void);
/* Boot CPU, during boot: what kernel_map_blocks() has mapped. */
void kernel_unmap_blocks(const void *address, uint64_t size);
_Noreturn void cpu_main(struct vcpu *vcpu); /* every other CPU, with the vCPU that its stack belongs to */
void cpus_init(void);                       /* boot CPU: platform's CPUs into cpus[]; the caller is number 0 */
void cpu_setup(void);                       /* own CPU: EL2's registers, once */
/* vectors.S: an exception of the kernel itself; x0..x30, sp; `vector` is the entry's number. */
_Noreturn void crash_exception(uint64_t vector, const uint64_t x[32]);
extern char vectors[];           /* vectors.S */
extern char cpu_entry[];         /* head.S: where PSCI CPU_ON starts a CPU */
extern char spin_entry[];        /* where a CPU comes from the firmware's loop: its struct vcpu is in spin_vcpu[], */
extern struct vcpu *spin_vcpu[]; /* by the lowest 3 bits of its affinity */

#endif
