/* SPDX-License-Identifier: Apache-2.0 */
#include "pl031.h"

#include <bulkhead/guest_map.h>
#include <core/deadline.h>
#include <core/interrupt.h>
#include <core/mmio.h>

enum pl031_register {
    RTCDR = 0x000,
    RTCMR = 0x004,
    RTCLR = 0x008,
    RTCCR = 0x00c,
    RTCIMSC = 0x010,
    RTCRIS = 0x014,
    RTCMIS = 0x018,
    RTCICR = 0x01c,
    RTCPERIPHID = 0xfe0,
};

struct pl031 {
    struct spinlock lock;
    struct domain *domain;
    uint32_t offset; /* added to the board's time */
    uint32_t match, load, imsc, ris;
    struct timeout alarm;
};
static struct pl031 clocks[BULKHEAD_PARTITIONS_MAX];

static const uint8_t identification[] = {0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

/* Seconds since the board's start, where it has no clock: a guest's clock then at least runs. */
static uint32_t now(const struct pl031 *clock)
{
    uint64_t wall = time_wall_s();

    return (uint32_t)(wall != 0 ? wall : time_ns() / NS_PER_S) + clock->offset;
}

static void update_line(struct pl031 *clock)
{
    interrupt_set_level(clock->domain, GUEST_LINE_RTC, clock->ris & clock->imsc);
}

static void matched(struct timeout *timeout)
{
    struct pl031 *clock = timeout->owner;

    spinlock_acquire(&clock->lock);
    clock->ris = 1;
    update_line(clock);
    spinlock_release(&clock->lock);
}

/* The match interrupt comes when the clock reaches the match register; a match in the past comes after a turn of the
 * 32-bit counter, as in the device. */
static void arm_alarm(struct pl031 *clock)
{
    uint32_t seconds = clock->match - now(clock);

    if (clock->imsc & 1)
        timeout_set(&clock->alarm, time_ns() + seconds * NS_PER_S);
    else
        timeout_cancel(&clock->alarm);
}

static uint32_t read_register(const struct pl031 *clock, uint64_t offset)
{
    switch (offset) {
    case RTCDR:
        return now(clock);
    case RTCMR:
        return clock->match;
    case RTCLR:
        return clock->load;
    case RTCCR:
        return 1; /* runs */
    case RTCIMSC:
        return clock->imsc;
    case RTCRIS:
        return clock->ris;
    case RTCMIS:
        return clock->ris & clock->imsc;
    default:
        return offset >= RTCPERIPHID ? identification[(offset - RTCPERIPHID) / 4] : 0;
    }
}

static void write_register(struct pl031 *clock, uint64_t offset, uint32_t value)
{
    switch (offset) {
    case RTCMR:
        clock->match = value;
        break;
    case RTCLR:
        clock->load = value;
        clock->offset += value - now(clock);
        break;
    case RTCIMSC:
        clock->imsc = value & 1;
        break;
    case RTCICR:
        clock->ris &= ~value;
        break;
    default:
        return;
    }
    arm_alarm(clock);
    update_line(clock);
}

static enum mmio_result pl031_access(struct vcpu *vcpu, void *device, struct mmio_access *access)
{
    struct pl031 *clock = device;
    bool valid = access->width == 4 && access->offset % 4 == 0;

    (void)vcpu;
    if (!valid) {
        access->value = 0;
        return MMIO_DONE;
    }
    spinlock_acquire(&clock->lock);
    if (access->write)
        write_register(clock, access->offset, (uint32_t)access->value);
    else
        access->value = read_register(clock, access->offset);
    spinlock_release(&clock->lock);
    return MMIO_DONE;
}

void pl031_reset(struct domain *domain)
{
    struct pl031 *clock = &clocks[domain->index];

    if (clock->domain == NULL)
        return;
    spinlock_acquire(&clock->lock);
    clock->match = clock->load = clock->imsc = clock->ris = 0;
    timeout_cancel(&clock->alarm);
    update_line(clock);
    spinlock_release(&clock->lock);
}

void pl031_init(struct domain *domain)
{
    struct pl031 *clock = &clocks[domain->index];

    clock->domain = domain;
    clock->alarm.owner = clock;
    clock->alarm.expired = matched;
    mmio_add(domain, &(struct mmio_region){GUEST_RTC_BASE, PAGE_SIZE, pl031_access, clock, EXIT_REGISTER});
}
