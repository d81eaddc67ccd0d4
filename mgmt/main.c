/* SPDX-License-Identifier: Apache-2.0 */
/* The management domain's program: modules by stage (mgmt/module.h), then the loop. */
#include <lib/native.h>
#include <mgmt/loop.h>
#include <mgmt/module.h>
#include <mgmt/platform.h>
#include <mgmt/time.h>
#include <mgmt/worker_turn.h>

extern const struct module modules_start[], modules_end[]; /* linker script: sorted by stage */

int main(void)
{
    time_init();
    platform_init();
    worker_init();
    for (const struct module *module = modules_start; module < modules_end; module++)
        module->start();
    interrupt_restore(true);
    loop_run();
}
