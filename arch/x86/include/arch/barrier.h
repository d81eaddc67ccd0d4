/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting. Normal memory is ordered enough: what core/ needs of barriers, __atomic gives. */
#ifndef ARCH_BARRIER_H
#define ARCH_BARRIER_H

/* In every spin loop: an emulator, and a core with threads, gives the time to somebody else. */
static inline void cpu_relax(void)
{
    __builtin_ia32_pause();
}

/* Interrupts masked: sleep until one is pending, and take it (lent_timer.c). */
void cpu_wait(void);

#endif
