/* SPDX-License-Identifier: Apache-2.0 */
#include <bulkhead/management.h>
#include <inttypes.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/loop.h>
#include <mgmt/module.h>
#include <mgmt/watchdog.h>
#include <stddef.h>

#define MEALS 4u /* in the time that it has */
#define NS_PER_S 1000000000ull

static const struct hardware_watchdog *hardware;
static uint64_t fed;
static struct loop_source source;

const struct hardware_watchdog *watchdog_hardware(void)
{
    return hardware;
}

uint64_t watchdog_fed(void)
{
    return fed;
}

static void due(struct loop_timer *timer)
{
    (void)timer;
    loop_signal(&source); /* behind all that is pending */
}
static struct loop_timer timer = {.run = due};

static void feed(struct loop_source *self)
{
    (void)self;
    hardware->feed();
    fed++;
    loop_timer_set(&timer, watchdog_s * NS_PER_S / MEALS);
}

static void watchdog_start(void)
{
    hardware = watchdog_s != 0 ? hardware_watchdog_start(watchdog_s) : NULL;
    if (hardware == NULL)
        return;
    if (hardware->has_reset)
        bulkhead_log("watchdog: the last reset was the hardware watchdog's");
    if (hardware->problem != NULL) {
        bulkhead_log("watchdog: %s is not used: %s", hardware->name, hardware->problem);
        return;
    }
    bulkhead_log("watchdog: %s, %" PRIu32 " s", hardware->name, watchdog_s);
    source.run = feed;
    loop_signal(&source);
}
MODULE(MODULE_USER, watchdog, watchdog_start);
