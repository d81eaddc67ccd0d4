/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heartbeat that the kernel watches. It beats only if the loop turns: a timer signals a source, which takes its
 * place behind all that is pending, and only that source calls the kernel and sets the timer again.
 */
#include <bulkhead/partition.h>
#include <lib/hypercall.h>
#include <mgmt/loop.h>
#include <mgmt/module.h>

#define BEATS 4u /* in the time after which we are taken as hung */
#define NS_PER_MS 1000000ull

static struct loop_source source;

static void due(struct loop_timer *timer)
{
    (void)timer;
    loop_signal(&source);
}
static struct loop_timer timer = {.run = due};

static void beat(struct loop_source *self)
{
    uint32_t within_ms = partitions[0].heartbeat_ms;

    (void)self;
    hypercall_heartbeat(within_ms);
    loop_timer_set(&timer, within_ms * NS_PER_MS / BEATS);
}

static void heartbeat_start(void)
{
    source.run = beat;
    if (partitions[0].heartbeat_ms)
        loop_signal(&source);
}
MODULE(MODULE_CORE, heartbeat, heartbeat_start);
