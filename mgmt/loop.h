/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The management domain's event loop: one, run to completion, asleep (WFI) when nothing is to be done.
 *
 * Interrupt handlers only call loop_signal(). Sources run in the loop with interrupts on, and bound their own work: one
 * that is not finished signals itself again, so that every source gets its turn. One more context exists below the loop:
 * the worker (worker.h), which runs long computations (TLS) only while the loop would sleep.
 */
#ifndef MGMT_LOOP_H
#define MGMT_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop_source {
    void (*run)(struct loop_source *source);
    void *owner;
    struct loop_source *next;  /* the loop's */
    _Atomic bool pending;      /* the loop's */
};

/* Any context of this domain, interrupts included: `source` is to run soon; signalling it again before that is one run. */
void loop_signal(struct loop_source *source);

struct loop_timer {
    void (*run)(struct loop_timer *timer);
    void *owner;
    uint64_t deadline_ns; /* the loop's: time_ns() at which it runs; 0 while not set */
    struct loop_timer *next;
};
/* Loop context. (Re)arms a one-shot timer, `after_ns` from now. */
void loop_timer_set(struct loop_timer *timer, uint64_t after_ns);
void loop_timer_cancel(struct loop_timer *timer);

uint64_t time_ns(void);      /* since the machine's reset, monotonic */
uint64_t time_wall_s(void);  /* UNIX time from the board's clock; 0: there is none */

_Noreturn void loop_run(void);

#endif
