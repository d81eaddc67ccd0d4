/* SPDX-License-Identifier: Apache-2.0 */
#include "cmos.h"

#include <arch/pio.h>
#include <core/deadline.h>
#include <lib/calendar.h>

enum cmos_register {
    SECONDS = 0,
    MINUTES = 2,
    HOURS = 4,
    WEEKDAY = 6,
    DAY = 7,
    MONTH = 8,
    YEAR = 9,
    REGISTER_A = 10,
    REGISTER_B = 11,
    REGISTER_D = 13,
    CENTURY = 0x32, /* as the FADT says */
    REGISTERS = 0x80,
};
#define A_RUNS 0x26u /* the divider; never "update in progress": a read is of one moment */
#define B_SET 0x80u
#define B_BINARY 0x04u
#define B_24_HOURS 0x02u
#define B_WRITABLE (B_SET | B_BINARY)
#define D_VALID 0x80u
#define S_PER_DAY 86400

struct cmos {
    struct spinlock lock;
    struct domain *domain;
    int64_t offset; /* seconds, added to the board's time */
    uint8_t index, control;
    uint8_t set[REGISTERS]; /* binary; the time registers while B_SET stops the clock */
};
static struct cmos clocks[BULKHEAD_PARTITIONS_MAX];

/* Seconds since the board's start, where it has no clock: a guest's clock then at least runs. */
static int64_t board_time(void)
{
    uint64_t wall = time_wall_s();

    return (int64_t)(wall != 0 ? wall : time_ns() / NS_PER_S);
}

static int64_t time_of(const uint8_t *set)
{
    int64_t month = set[MONTH] >= 1 && set[MONTH] <= 12 ? set[MONTH] : 1;
    int64_t days = calendar_days(set[CENTURY] * 100 + set[YEAR], month, set[DAY]);

    return ((days * 24 + set[HOURS]) * 60 + set[MINUTES]) * 60 + set[SECONDS];
}

static void split(int64_t time, uint8_t *set)
{
    int64_t days = time / S_PER_DAY + 719468, seconds = time % S_PER_DAY, era, of_era, year, of_year, month;

    if (seconds < 0) {
        seconds += S_PER_DAY;
        days--;
    }
    if (days < 0 || days > 3652424) /* before the year 0, after 9999 */
        days = 719468;
    era = days / 146097;
    of_era = days - era * 146097;
    year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    of_year = of_era - (365 * year + year / 4 - year / 100);
    month = (5 * of_year + 2) / 153;
    year += era * 400 + (month >= 10);
    set[SECONDS] = (uint8_t)(seconds % 60);
    set[MINUTES] = (uint8_t)(seconds / 60 % 60);
    set[HOURS] = (uint8_t)(seconds / 3600);
    set[WEEKDAY] = (uint8_t)((days + 3) % 7 + 1); /* 0000-03-01 was a Wednesday; Sunday is 1 */
    set[DAY] = (uint8_t)(of_year - (153 * month + 2) / 5 + 1);
    set[MONTH] = (uint8_t)(month < 10 ? month + 3 : month - 9);
    set[YEAR] = (uint8_t)(year % 100);
    set[CENTURY] = (uint8_t)(year / 100);
}

static bool is_time(uint8_t index)
{
    return index == SECONDS || index == MINUTES || index == HOURS || (index >= WEEKDAY && index <= YEAR) ||
           index == CENTURY;
}

static uint8_t encode(const struct cmos *clock, uint8_t value)
{
    return clock->control & B_BINARY ? value : (uint8_t)(value / 10 << 4 | value % 10);
}

static uint8_t decode(const struct cmos *clock, uint8_t value)
{
    value = clock->control & B_BINARY ? value : (uint8_t)((value >> 4) * 10 + (value & 15));
    return value < 100 ? value : 99;
}

static uint8_t read_register(struct cmos *clock)
{
    switch (clock->index) {
    case REGISTER_A:
        return A_RUNS;
    case REGISTER_B:
        return clock->control | B_24_HOURS;
    case REGISTER_D:
        return D_VALID;
    default:
        break;
    }
    if (!is_time(clock->index))
        return 0;
    if (!(clock->control & B_SET))
        split(board_time() + clock->offset, clock->set);
    return encode(clock, clock->set[clock->index]);
}

static void write_register(struct cmos *clock, uint8_t value)
{
    bool stopped = clock->control & B_SET;

    if (!stopped)
        split(board_time() + clock->offset, clock->set);
    if (clock->index == REGISTER_B)
        clock->control = value & B_WRITABLE;
    else if (is_time(clock->index))
        clock->set[clock->index] = decode(clock, value);
    else
        return;
    if (!(clock->control & B_SET) && (stopped || clock->index != REGISTER_B))
        clock->offset = time_of(clock->set) - board_time();
}

static uint8_t cmos_read(struct vcpu *vcpu, void *device, uint16_t offset)
{
    struct cmos *clock = device;
    uint8_t value;

    (void)vcpu;
    if (offset == 0)
        return 0xff; /* the index cannot be read */
    spinlock_acquire(&clock->lock);
    value = read_register(clock);
    spinlock_release(&clock->lock);
    return value;
}

static void cmos_write(struct vcpu *vcpu, void *device, uint16_t offset, uint8_t value)
{
    struct cmos *clock = device;

    (void)vcpu;
    spinlock_acquire(&clock->lock);
    if (offset == 0)
        clock->index = value % REGISTERS; /* bit 7 masks NMIs, on a PC */
    else
        write_register(clock, value);
    spinlock_release(&clock->lock);
}

void cmos_reset(struct domain *domain)
{
    clocks[domain->index].index = clocks[domain->index].control = 0;
}

void cmos_init(struct domain *domain)
{
    struct cmos *clock = &clocks[domain->index];

    clock->domain = domain;
    pio_add(domain, &(struct pio_region){GUEST_PORT_RTC, 2, cmos_read, cmos_write, clock});
}
