/* SPDX-License-Identifier: Apache-2.0 */
/* What core/ asks of every architecture. */
#ifndef CORE_ARCH_H
#define CORE_ARCH_H

#include <core/vcpu.h>

/* --- Address spaces of domains (stage2.c). Boot CPU only; tables come from memory_pages(). --- */
enum stage2_rights {
    STAGE2_READ = 1,
    STAGE2_WRITE = 2,
    STAGE2_EXECUTE = 4,
    STAGE2_DEVICE = 8, /* device memory instead of normal cacheable */
};
void stage2_create(struct domain *domain);
/* Maps with the largest blocks that fit. All of it page-aligned, and not mapped yet. */
void stage2_map(struct domain *domain, struct ipa ipa, struct hpa hpa, uint64_t size, uint32_t rights);
/* Own CPU of the domain: forget cached translations of it on all CPUs. */
void stage2_invalidate(struct domain *domain);

/* --- Kernel address space (mmu.c) --- */
/* Boot CPU, during boot: map registers, or memory that is not the kernel's own, for good. */
void *kernel_map_device(struct hpa base, uint64_t size);
void *kernel_map_memory(struct hpa base, uint64_t size, bool writable);
/* The hpa of kernel memory: image, or memory_pages(). */
struct hpa kernel_hpa(const void *address);
/*
 * The calling CPU's window onto domain memory: maps [base, base + size), at most WINDOW_SIZE and not across a WINDOW_SIZE
 * boundary; valid until the next call on this CPU or window_close().
 */
#define WINDOW_SIZE (2 * MIB)
void *window_open(struct hpa base);
void window_close(void);
/* What was written through the window must be seen by CPUs whose caches are off. */
void cache_clean(const void *address, uint64_t size);
/* All zero and clean to memory; page-aligned. */
void memory_scrub(void *address, uint64_t size);

/* --- CPUs (smp.c, vcpu.c) --- */
/* Boot CPU: bring up all others; returns when all run or have been given up on (present = false). */
void cpus_start(void);
/* Own CPU of `vcpu`: all registers of the guest to their reset values, with pc = entry, first argument = context. Includes
 * its private interrupts and timers. */
void vcpu_reset(struct vcpu *vcpu, uint64_t entry, uint64_t context);
/* Enters the guest with its registers; later exits come through the vectors (vectors.S). */
_Noreturn void vcpu_enter(struct vcpu *vcpu);

/* Own CPU, interrupts masked: handle every physical interrupt that is pending, as an exit would (gic_v3.c). */
void gic_poll(void);
/* Own CPU, on CPU_REQUEST_HALT: off for ever. */
_Noreturn void cpu_halt(void);

_Noreturn void machine_reset(void);
_Noreturn void machine_off(void);

#endif
