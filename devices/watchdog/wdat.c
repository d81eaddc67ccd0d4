/* SPDX-License-Identifier: Apache-2.0 */
#include "wdat.h"

#include <core/deadline.h>
#include <core/mmio.h>

#define NS_PER_TICK (WDAT_TICK_MS * 1000000ull)

struct wdat {
    struct spinlock lock;
    struct domain *domain;
    bool runs, fired;
    uint32_t count;
    uint64_t due_ns;
    struct timeout timeout;
};
static struct wdat watchdogs[BULKHEAD_PARTITIONS_MAX];

static void expired(struct timeout *timeout)
{
    struct wdat *watchdog = timeout->owner;
    bool hung;

    spinlock_acquire(&watchdog->lock);
    hung = watchdog->runs && watchdog->due_ns <= time_ns();
    if (hung) {
        watchdog->runs = false;
        watchdog->fired = true;
    }
    spinlock_release(&watchdog->lock);
    if (hung)
        domain_stop(watchdog->domain, CAUSE_WATCHDOG, 0);
}

static void reload(struct wdat *watchdog)
{
    watchdog->due_ns = time_ns() + watchdog->count * NS_PER_TICK;
    if (watchdog->runs)
        timeout_set(&watchdog->timeout, watchdog->due_ns);
    else
        timeout_cancel(&watchdog->timeout);
}

static uint32_t remaining(const struct wdat *watchdog)
{
    uint64_t now = time_ns();

    if (!watchdog->runs)
        return watchdog->count;
    return watchdog->due_ns > now ? (uint32_t)((watchdog->due_ns - now) / NS_PER_TICK) : 0;
}

static uint32_t read_register(const struct wdat *watchdog, uint64_t offset)
{
    switch (offset) {
    case WDAT_CONTROL:
        return watchdog->runs ? WDAT_RUNS : 0;
    case WDAT_COUNT:
        return watchdog->count;
    case WDAT_STATUS:
        return watchdog->fired ? WDAT_FIRED : 0;
    case WDAT_REMAINING:
        return remaining(watchdog);
    default:
        return 0;
    }
}

static void write_register(struct wdat *watchdog, uint64_t offset, uint32_t value)
{
    switch (offset) {
    case WDAT_CONTROL:
        watchdog->runs = value & WDAT_RUNS;
        reload(watchdog);
        break;
    case WDAT_COUNT:
        watchdog->count = value < WDAT_COUNT_MIN ? WDAT_COUNT_MIN : value > WDAT_COUNT_MAX ? WDAT_COUNT_MAX : value;
        reload(watchdog);
        break;
    case WDAT_PING:
        reload(watchdog);
        break;
    case WDAT_STATUS:
        watchdog->fired &= !(value & WDAT_FIRED);
        break;
    default:
        break;
    }
}

/* Words; other widths and what lies between read zero and write nothing. */
static enum mmio_result access_registers(struct vcpu *vcpu, void *device, struct mmio_access *access)
{
    struct wdat *watchdog = device;

    (void)vcpu;
    if (access->width != 4 || access->offset % 4 != 0) {
        access->value = 0;
        return MMIO_DONE;
    }
    spinlock_acquire(&watchdog->lock);
    if (access->write)
        write_register(watchdog, access->offset, (uint32_t)access->value);
    else
        access->value = read_register(watchdog, access->offset);
    spinlock_release(&watchdog->lock);
    return MMIO_DONE;
}

void wdat_reset(struct domain *domain)
{
    struct wdat *watchdog = &watchdogs[domain->index];

    if (watchdog->domain == NULL)
        return;
    spinlock_acquire(&watchdog->lock);
    watchdog->runs = false;
    watchdog->count = WDAT_COUNT_MAX;
    reload(watchdog);
    spinlock_release(&watchdog->lock);
}

void wdat_init(struct domain *domain)
{
    struct wdat *watchdog = &watchdogs[domain->index];

    watchdog->domain = domain;
    watchdog->count = WDAT_COUNT_MAX;
    watchdog->timeout.owner = watchdog;
    watchdog->timeout.expired = expired;
    mmio_add(domain, &(struct mmio_region){GUEST_WATCHDOG_BASE, PAGE_SIZE, access_registers, watchdog, EXIT_REGISTER});
}
