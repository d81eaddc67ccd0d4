/* SPDX-License-Identifier: Apache-2.0 */
/* Barriers, waiting, and cache maintenance by address. */
#ifndef ARCH_BARRIER_H
#define ARCH_BARRIER_H

#include <stdint.h>

/* In every spin loop: an emulator, and a core with threads, gives the time to somebody else. */
static inline void cpu_relax(void)
{
    asm volatile("yield" ::: "memory");
}

static inline void isb(void)
{
    asm volatile("isb" ::: "memory");
}
static inline void dsb_ishst(void)
{
    asm volatile("dsb ishst" ::: "memory");
}
static inline void dsb_sy(void)
{
    asm volatile("dsb sy" ::: "memory");
}

/* Stage 1 and 2 of the current VMID, and what instructions were fetched through them, after changes of its tables. */
static inline void tlb_invalidate_current(void)
{
    asm volatile("dsb ishst\n\ttlbi vmalls12e1is\n\tic ialluis\n\tdsb ish\n\tisb" ::: "memory");
}

/* Sleep until an interrupt is pending, masked or not. */
static inline void cpu_wait(void)
{
    asm volatile("dsb sy\n\twfi" ::: "memory");
}

#endif
