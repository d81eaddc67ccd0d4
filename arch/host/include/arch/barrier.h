/* SPDX-License-Identifier: Apache-2.0 */
/* The fake architecture's barriers: one thread plays all CPUs; others may play devices. */
#ifndef ARCH_BARRIER_H
#define ARCH_BARRIER_H

#include <sched.h>

static inline void cpu_relax(void)
{
    sched_yield();
}
static inline void dsb_sy(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
static inline void dsb_ishst(void)
{
    dsb_sy();
}
void tlb_invalidate_current(void); /* of a test that has stage 2 */
void cpu_wait(void);               /* of a test that parks vCPUs: the CPU sleeps, another goes on */

#endif
