/* SPDX-License-Identifier: Apache-2.0 */
#include <arch/timer.h>
#include <core/deadline.h>

/* By time, soonest first. A CPU has a handful: heartbeat, progress, watchdog, clock, retry, channel holds. */
static struct deadline *first[BULKHEAD_CPUS_MAX];

static void remove(struct deadline **list, struct deadline *deadline)
{
    for (; *list != NULL; list = &(*list)->next)
        if (*list == deadline) {
            *list = deadline->next;
            break;
        }
    deadline->at_ns = 0;
}

void deadline_cancel(struct deadline *deadline)
{
    struct deadline **list = &first[vcpu_current()->cpu];

    if (deadline->at_ns == 0)
        return;
    remove(list, deadline);
    timer_arm(*list != NULL ? (*list)->at_ns : 0);
}

void deadline_set(struct deadline *deadline, uint64_t at_ns)
{
    struct deadline **list = &first[vcpu_current()->cpu], **place = list;
    uint64_t now = time_ns();

    if (deadline->at_ns != 0)
        remove(list, deadline);
    if (at_ns <= now)
        at_ns = now + 1;
    while (*place != NULL && (*place)->at_ns <= at_ns)
        place = &(*place)->next;
    deadline->at_ns = at_ns;
    deadline->next = *place;
    *place = deadline;
    timer_arm((*list)->at_ns);
}

void deadline_interrupt(void)
{
    struct deadline **list = &first[vcpu_current()->cpu];
    uint64_t now = time_ns();

    /* What is set again by those that are due lies after `now`: deadline_set() takes care of it. */
    while (*list != NULL && (*list)->at_ns <= now) {
        struct deadline *deadline = *list;

        *list = deadline->next;
        deadline->at_ns = 0;
        deadline->expired(deadline);
    }
    timer_arm(*list != NULL ? (*list)->at_ns : 0);
}

static void look(struct deadline *deadline)
{
    struct timeout *timeout = deadline->owner;
    uint64_t due = timeout->due_ns;

    if (due == 0)
        return;
    if (time_ns() < due)
        deadline_set(deadline, due);
    else if (__atomic_compare_exchange_n((uint64_t *)&timeout->due_ns, &due, 0, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_RELAXED))
        timeout->expired(timeout);
    else
        deadline_set(deadline, time_ns() + 1); /* moved just now */
}

void timeout_set(struct timeout *timeout, uint64_t due_ns)
{
    struct deadline *own = &timeout->own[vcpu_current()->cpu];

    timeout->due_ns = due_ns;
    own->owner = timeout;
    own->expired = look;
    if (own->at_ns == 0 || own->at_ns > due_ns)
        deadline_set(own, due_ns);
}

void timeout_cancel(struct timeout *timeout)
{
    timeout->due_ns = 0;
}
