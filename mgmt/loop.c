/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/loop_turn.h"
#include <lib/native.h>
#include <stddef.h>

/* Signalled sources in the order they came; written with interrupts masked. */
static struct loop_source *first, *last;
static struct loop_timer *timers; /* by deadline */

INTERRUPT_CONTEXT void loop_signal(struct loop_source *source)
{
    bool enabled;

    if (__atomic_exchange_n((bool *)&source->pending, true, __ATOMIC_ACQ_REL))
        return;
    enabled = interrupt_mask();
    source->next = NULL;
    if (first)
        last->next = source;
    else
        first = source;
    last = source;
    interrupt_restore(enabled);
}

static void run_sources(void)
{
    bool enabled = interrupt_mask();
    struct loop_source *source = first;

    first = NULL;
    interrupt_restore(enabled);
    /* Those that are pending now, each once: what they signal has its turn after the timers. */
    while (source) {
        struct loop_source *next = source->next;

        __atomic_store_n((bool *)&source->pending, false, __ATOMIC_RELEASE);
        source->run(source);
        source = next;
    }
}

void loop_timer_cancel(struct loop_timer *timer)
{
    struct loop_timer **at = &timers;

    if (!timer->deadline_ns)
        return;
    while (*at != timer)
        at = &(*at)->next;
    *at = timer->next;
    timer->deadline_ns = 0;
}

void loop_timer_set(struct loop_timer *timer, uint64_t after_ns)
{
    struct loop_timer **at = &timers;
    uint64_t now = time_ns(), deadline = now + after_ns < now ? UINT64_MAX : now + after_ns;

    loop_timer_cancel(timer);
    while (*at && (*at)->deadline_ns <= deadline)
        at = &(*at)->next;
    timer->deadline_ns = deadline;
    timer->next = *at;
    *at = timer;
}

/* Those that are due now: one that a timer sets anew for "at once" waits for the next turn. */
static void run_timers(void)
{
    uint64_t now;

    if (!timers)
        return;
    now = time_ns();
    while (timers && timers->deadline_ns <= now) {
        struct loop_timer *timer = timers;

        timers = timer->next;
        timer->deadline_ns = 0;
        timer->run(timer);
    }
}

bool loop_turn(uint64_t *wake_ns)
{
    run_sources();
    run_timers();
    *wake_ns = timers ? timers->deadline_ns : UINT64_MAX;
    return __atomic_load_n(&first, __ATOMIC_RELAXED) != NULL;
}

bool loop_pending(void)
{
    return __atomic_load_n(&first, __ATOMIC_RELAXED) != NULL;
}
