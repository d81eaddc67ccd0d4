/* SPDX-License-Identifier: Apache-2.0 */
/* A ticket lock. Held with interrupts masked (the kernel always runs so), for a bounded number of steps. */
#ifndef CORE_SPINLOCK_H
#define CORE_SPINLOCK_H

#include <arch/barrier.h> /* cpu_relax(): YIELD, or the like */
#include <stdint.h>

struct spinlock {
    _Atomic uint16_t next, serving;
};

static inline void spinlock_acquire(struct spinlock *lock)
{
    uint16_t ticket = __atomic_fetch_add((uint16_t *)&lock->next, 1, __ATOMIC_RELAXED);

    while (__atomic_load_n((uint16_t *)&lock->serving, __ATOMIC_ACQUIRE) != ticket)
        cpu_relax();
}

static inline void spinlock_release(struct spinlock *lock)
{
    __atomic_store_n((uint16_t *)&lock->serving, (uint16_t)(lock->serving + 1), __ATOMIC_RELEASE);
}

#endif
