/* SPDX-License-Identifier: Apache-2.0 */
/* The loop's rest: when nothing is pending, the worker's turn; when that has nothing either, WFI. */
#include <lib/native.h>
#include <mgmt/loop_turn.h>
#include <mgmt/time.h>
#include <mgmt/worker_turn.h>

_Noreturn void loop_run(void)
{
    for (;;) {
        uint64_t wake_ns;
        bool enabled;

        if (loop_turn(&wake_ns))
            continue;
        enabled = interrupt_mask();
        if (!loop_pending()) {
            counter_alarm(time_counter(wake_ns));
            if (!worker_turn())
                cpu_sleep();
        }
        interrupt_restore(enabled);
    }
}
