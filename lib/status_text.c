/* SPDX-License-Identifier: Apache-2.0 */
#include <bulkhead/status.h>
#include <lib/stop_cause.h>

static const char *text(const char *const *table, uint32_t entries, uint32_t index)
{
    return index < entries && table[index] ? table[index] : "unknown";
}
#define TEXT(table, index) text(table, sizeof(table) / sizeof *(table), index)

const char *domain_state_text(uint32_t state)
{
    static const char *const table[] = {
        [DOMAIN_OFF] = "off",           [DOMAIN_STARTING] = "starting", [DOMAIN_RUNNING] = "running",
        [DOMAIN_STOPPING] = "stopping", [DOMAIN_STOPPED] = "stopped",   [DOMAIN_CRASHED] = "crashed",
        [DOMAIN_ABSENT] = "absent",
    };

    return TEXT(table, state);
}

const char *event_kind_text(uint32_t kind)
{
    static const char *const table[] = {
        [EVENT_BOOT] = "boot",       [EVENT_START] = "start",     [EVENT_STOP] = "stop",   [EVENT_CRASH] = "crash",
        [EVENT_RESTART] = "restart", [EVENT_GIVE_UP] = "give-up", [EVENT_RESET] = "reset",
    };

    return TEXT(table, kind);
}
