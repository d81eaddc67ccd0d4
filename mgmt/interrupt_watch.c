/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/interrupt_watch.h>
#include <mgmt/loop.h>
#include <stddef.h>

enum state {
    NEVER,     /* held back; it is on no list */
    QUIET,     /* not any more */
    HELD,      /* by its interrupt; the loop does not know yet */
    LOOKED_AT, /* held back until until_ns */
    ON_TRIAL,  /* it may come: has it ended? until_ns */
};

static uint32_t turn;                     /* of the loop */
static struct interrupt_handler *trouble; /* those that were ever held back; begins with the last one */
static void tend(void);

static void tend_source(struct loop_source *source)
{
    (void)source;
    tend();
}
static void tend_timer(struct loop_timer *timer)
{
    (void)timer;
    tend();
}
static struct loop_source source = {.run = tend_source};
static struct loop_timer timer = {.run = tend_timer};

void interrupt_progress(void)
{
    turn++;
}

const struct interrupt_handler *interrupt_trouble(const struct interrupt_handler *before)
{
    return before != NULL ? before->watch.next : trouble;
}

INTERRUPT_CONTEXT void interrupt_handle(struct interrupt_handler *handler)
{
    struct interrupt_watch *watch = &handler->watch;

    handler->handle(handler);
    if (watch->turn != turn) {
        watch->turn = turn;
        watch->calls = 0;
    }
    if (++watch->calls < INTERRUPT_CALLS_MAX)
        return;
    watch->calls = 0;
    if (!interrupt_enable(handler->id, false))
        return;
    if (watch->state == NEVER) {
        watch->next = trouble;
        trouble = handler;
    }
    watch->state = HELD;
    watch->storms++;
    loop_signal(&source);
}

/* Its interrupt was held back: for how long, and who is to know. */
static void hold(struct interrupt_handler *handler)
{
    struct interrupt_watch *watch = &handler->watch;

    if (watch->pause_ns == 0)
        bulkhead_log("interrupt %u (%s) does not end: it is held back, the device is looked at every %u ms",
                     (unsigned)handler->id, handler->name, INTERRUPT_LOOK_NS / 1000000);
    watch->pause_ns = watch->pause_ns == 0 ? INTERRUPT_PAUSE_NS : watch->pause_ns * 2;
    if (watch->pause_ns > INTERRUPT_PAUSE_MAX_NS)
        watch->pause_ns = INTERRUPT_PAUSE_MAX_NS;
    watch->until_ns = time_ns() + watch->pause_ns;
    watch->state = LOOKED_AT;
}

static void acquit(struct interrupt_handler *handler)
{
    handler->watch.state = QUIET;
    handler->watch.pause_ns = 0;
    bulkhead_log("interrupt %u (%s) ends again; it was held back %" PRIu64 " times", (unsigned)handler->id,
                 handler->name, handler->watch.storms);
}

/* Interrupts masked. When it is to be called again, UINT64_MAX: never. */
static uint64_t step(struct interrupt_handler *handler, uint64_t now)
{
    struct interrupt_watch *watch = &handler->watch;

    if (watch->state == HELD) {
        hold(handler);
    } else if (watch->state == LOOKED_AT && now < watch->until_ns) {
        handler->handle(handler); /* as its interrupt would */
    } else if (watch->state == LOOKED_AT) {
        watch->state = ON_TRIAL;
        watch->until_ns = now + INTERRUPT_TRIAL_NS;
        interrupt_enable(handler->id, true);
    } else if (watch->state == ON_TRIAL && now >= watch->until_ns) {
        acquit(handler);
    }
    if (watch->state == LOOKED_AT && now + INTERRUPT_LOOK_NS < watch->until_ns)
        return now + INTERRUPT_LOOK_NS;
    return watch->state == QUIET ? UINT64_MAX : watch->until_ns;
}

/* An interrupt that storms as soon as it may has the loop call this again. */
static void tend(void)
{
    uint64_t wake = UINT64_MAX, now = time_ns();

    for (struct interrupt_handler *handler = trouble; handler != NULL; handler = handler->watch.next) {
        bool enabled = interrupt_mask();
        uint64_t next = step(handler, now);

        interrupt_restore(enabled);
        if (next < wake)
            wake = next;
    }
    if (wake != UINT64_MAX)
        loop_timer_set(&timer, wake - now);
}
