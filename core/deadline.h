/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines: what the kernel does when time passes. One list a CPU, on the EL2 physical timer (arm64: CNTHP). */
#ifndef CORE_DEADLINE_H
#define CORE_DEADLINE_H

#include <core/vcpu.h>

#define NS_PER_S 1000000000ull

struct deadline {
    uint64_t at_ns; /* system counter time; 0: not set */
    void (*expired)(struct deadline *deadline); /* on the CPU that set it, interrupts masked */
    void *owner;
    struct deadline *next;
};
/* Own CPU only. In the past: expires at once, but never before the call returns. */
void deadline_set(struct deadline *deadline, uint64_t at_ns);
void deadline_cancel(struct deadline *deadline);
void deadline_interrupt(void); /* the timer's interrupt */

/* A deadline that any CPU may move: every CPU that moved it has one of its own, which looks whether it is still meant. */
struct timeout {
    _Atomic uint64_t due_ns; /* 0: not set */
    void (*expired)(struct timeout *timeout); /* once, on one of those CPUs */
    void *owner;
    struct deadline own[BULKHEAD_CPUS_MAX];
};
void timeout_set(struct timeout *timeout, uint64_t due_ns);
void timeout_cancel(struct timeout *timeout);

uint64_t time_ns(void);        /* since reset of the system counter */
uint64_t time_wall_s(void);    /* UNIX time from the board's clock, 0: none */

#endif
