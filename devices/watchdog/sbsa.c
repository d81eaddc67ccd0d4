/* SPDX-License-Identifier: Apache-2.0 */
#include "sbsa.h"

#include <arch/timer.h>
#include <bulkhead/guest_map.h>
#include <core/deadline.h>
#include <core/interrupt.h>
#include <core/mmio.h>

enum sbsa_register {
    WRR = 0x000, /* refresh frame */
    WCS = 0x000, /* control frame, from here on */
    WOR_LOW = 0x008,
    WOR_HIGH = 0x00c,
    WCV_LOW = 0x010,
    WCV_HIGH = 0x014,
    W_IIDR = 0xfcc, /* both frames */
};
#define WCS_ENABLE 1u
#define WCS_SIGNAL0 2u
#define WCS_SIGNAL1 4u
#define IDENTIFICATION 0x0001043bu /* version 1: an offset of 48 bits */

struct watchdog {
    struct spinlock lock;
    struct domain *domain;
    uint32_t status;  /* WCS */
    uint64_t offset;  /* WOR, in counts of the system counter */
    uint64_t compare; /* WCV */
    struct timeout timeout;
};
static struct watchdog watchdogs[BULKHEAD_PARTITIONS_MAX];

static void update(struct watchdog *watchdog)
{
    interrupt_set_level(watchdog->domain, GUEST_LINE_WATCHDOG, watchdog->status & WCS_SIGNAL0);
    if ((watchdog->status & WCS_ENABLE) && !(watchdog->status & WCS_SIGNAL1))
        timeout_set(&watchdog->timeout, timer_guest_count_to_ns(watchdog->domain, watchdog->compare));
    else
        timeout_cancel(&watchdog->timeout);
}

static void refresh(struct watchdog *watchdog)
{
    watchdog->status &= ~(WCS_SIGNAL0 | WCS_SIGNAL1);
    watchdog->compare = timer_guest_count(watchdog->domain) + watchdog->offset;
}

static void expired(struct timeout *timeout)
{
    struct watchdog *watchdog = timeout->owner;
    bool hung = false;

    spinlock_acquire(&watchdog->lock);
    if ((watchdog->status & WCS_ENABLE) && timer_guest_count(watchdog->domain) >= watchdog->compare) {
        hung = watchdog->status & WCS_SIGNAL0;
        watchdog->status |= hung ? WCS_SIGNAL1 : WCS_SIGNAL0;
        watchdog->compare = timer_guest_count(watchdog->domain) + watchdog->offset;
    }
    update(watchdog);
    spinlock_release(&watchdog->lock);
    if (hung)
        domain_stop(watchdog->domain, CAUSE_WATCHDOG, 0);
}

static uint32_t read_control(const struct watchdog *watchdog, uint64_t offset)
{
    switch (offset) {
    case WCS:
        return watchdog->status;
    case WOR_LOW:
        return (uint32_t)watchdog->offset;
    case WOR_HIGH:
        return (uint32_t)(watchdog->offset >> 32);
    case WCV_LOW:
        return (uint32_t)watchdog->compare;
    case WCV_HIGH:
        return (uint32_t)(watchdog->compare >> 32);
    case W_IIDR:
        return IDENTIFICATION;
    default:
        return 0;
    }
}

static void write_control(struct watchdog *watchdog, uint64_t offset, uint32_t value)
{
    uint64_t high = (uint64_t)value << 32;

    switch (offset) {
    case WCS:
        watchdog->status = (watchdog->status & ~WCS_ENABLE) | (value & WCS_ENABLE);
        refresh(watchdog);
        break;
    case WOR_LOW:
        watchdog->offset = (watchdog->offset & ~0xffffffffull) | value;
        refresh(watchdog);
        break;
    case WOR_HIGH:
        watchdog->offset = (watchdog->offset & 0xffffffffull) | (high & 0xffff00000000ull);
        refresh(watchdog);
        break;
    case WCV_LOW:
        watchdog->compare = (watchdog->compare & ~0xffffffffull) | value;
        break;
    case WCV_HIGH:
        watchdog->compare = (watchdog->compare & 0xffffffffull) | high;
        break;
    default:
        return;
    }
    update(watchdog);
}

/* Words, or two of them at once; other widths read zero and write nothing. */
static bool words(struct mmio_access *access)
{
    if (access->offset % access->width == 0 && access->width >= 4)
        return true;
    if (!access->write)
        access->value = 0;
    return false;
}

static enum mmio_result control_access(struct vcpu *vcpu, void *device, struct mmio_access *access)
{
    struct watchdog *watchdog = device;

    (void)vcpu;
    if (!words(access))
        return MMIO_DONE;
    spinlock_acquire(&watchdog->lock);
    if (access->write) {
        write_control(watchdog, access->offset, (uint32_t)access->value);
        if (access->width == 8)
            write_control(watchdog, access->offset + 4, (uint32_t)(access->value >> 32));
    } else {
        access->value = read_control(watchdog, access->offset);
        if (access->width == 8)
            access->value |= (uint64_t)read_control(watchdog, access->offset + 4) << 32;
    }
    spinlock_release(&watchdog->lock);
    return MMIO_DONE;
}

static enum mmio_result refresh_access(struct vcpu *vcpu, void *device, struct mmio_access *access)
{
    struct watchdog *watchdog = device;

    (void)vcpu;
    if (!words(access))
        return MMIO_DONE;
    if (!access->write) {
        access->value = access->offset == W_IIDR ? IDENTIFICATION : 0;
    } else if (access->offset == WRR) {
        spinlock_acquire(&watchdog->lock);
        refresh(watchdog);
        update(watchdog);
        spinlock_release(&watchdog->lock);
    }
    return MMIO_DONE;
}

void sbsa_reset(struct domain *domain)
{
    struct watchdog *watchdog = &watchdogs[domain->index];

    if (watchdog->domain == NULL)
        return;
    spinlock_acquire(&watchdog->lock);
    watchdog->status = 0;
    watchdog->offset = 0;
    watchdog->compare = 0;
    update(watchdog);
    spinlock_release(&watchdog->lock);
}

void sbsa_init(struct domain *domain)
{
    struct watchdog *watchdog = &watchdogs[domain->index];

    watchdog->domain = domain;
    watchdog->timeout.owner = watchdog;
    watchdog->timeout.expired = expired;
    mmio_add(domain, &(struct mmio_region){GUEST_WATCHDOG_REFRESH, PAGE_SIZE, refresh_access, watchdog, EXIT_REGISTER});
    mmio_add(domain, &(struct mmio_region){GUEST_WATCHDOG_CONTROL, PAGE_SIZE, control_access, watchdog, EXIT_REGISTER});
}
