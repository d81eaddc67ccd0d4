/* SPDX-License-Identifier: Apache-2.0 */
#include <lib/native.h>
#include <mgmt/loop.h>
#include <mgmt/worker.h>
#include <mgmt/worker_turn.h>
#include <stddef.h>

#define GUARD_SIZE 4096u
#define STACK_SIZE 65536u

static uint8_t stack[GUARD_SIZE + STACK_SIZE] __attribute__((aligned(GUARD_SIZE)));
static struct work *first, *last;    /* the loop's; `first` is what the worker is at, or has just finished */
static struct work *_Atomic current; /* the worker's order; NULL once it is carried out */

static void finish(struct loop_source *source)
{
    struct work *work = first;

    (void)source;
    if (!work || current)
        return;
    first = work->next;
    current = first;
    work->done(work);
}
static struct loop_source finished = {.run = finish};

static void worker_main(void)
{
    for (;;) {
        struct work *work = current;

        if (work) {
            bool enabled;

            work->run(work);
            /* Both or neither: with nothing to carry out and nothing signalled, the worker would not get another go. */
            enabled = interrupt_mask();
            current = NULL;
            loop_signal(&finished);
            interrupt_restore(enabled);
        }
        background_yield();
    }
}

void worker_submit(struct work *work)
{
    work->next = NULL;
    if (first) {
        last->next = work;
    } else {
        first = work;
        current = work;
    }
    last = work;
}

void worker_init(void)
{
    memory_guard(stack);
    background_start(worker_main, stack + sizeof stack);
}

bool worker_turn(void)
{
    if (!current)
        return false;
    background_run();
    return true;
}
