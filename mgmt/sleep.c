/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop's rest: when nothing is pending, the worker's turn; when that has nothing either, WFI. A loop that never
 * runs dry, because a guest keeps it busy, gives the worker a share all the same: else a guest could shut the operator
 * out.
 */
#include <lib/native.h>
#include <mgmt/interrupt_watch.h>
#include <mgmt/loop.h>
#include <mgmt/loop_turn.h>
#include <mgmt/time.h>
#include <mgmt/worker_turn.h>

#define BUSY_NS 4000000u  /* so long without a rest, and then */
#define SHARE_NS 1000000u /* so long for the worker */

/* Interrupts masked. Interrupts take the CPU from the worker, but the loop waits until the share is used up. */
static void worker_share(void)
{
    uint64_t end = time_ns() + SHARE_NS;

    counter_alarm(time_counter(end));
    while (worker_turn() && time_ns() < end)
        ;
}

_Noreturn void loop_run(void)
{
    uint64_t busy_since = 0; /* 0: it has just rested */

    for (;;) {
        uint64_t wake_ns;
        bool busy = loop_turn(&wake_ns), enabled;

        interrupt_progress();
        if (busy && busy_since == 0)
            busy_since = time_ns();
        if (busy && time_ns() - busy_since < BUSY_NS)
            continue;
        busy_since = 0;
        enabled = interrupt_mask();
        if (busy) {
            worker_share();
        } else if (!loop_pending()) {
            counter_alarm(time_counter(wake_ns));
            if (!worker_turn())
                cpu_sleep();
        }
        interrupt_restore(enabled);
    }
}
