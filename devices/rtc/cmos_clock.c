/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An MC146818 behind an index and a data port. It is slow to read, so that is done once a minute at most; in between,
 * the counter goes on.
 */
#include <devices/rtc/clock.h>
#include <lib/calendar.h>
#include <lib/native.h>
#include <lib/tree.h>

#define RTC_SECONDS 0
#define RTC_MINUTES 2
#define RTC_HOURS 4
#define RTC_HOURS_PM 0x80u
#define RTC_DAY 7
#define RTC_MONTH 8
#define RTC_YEAR 9
#define RTC_STATUS_A 10
#define RTC_UPDATING 0x80u
#define RTC_STATUS_B 11
#define RTC_24_HOURS 0x2u
#define RTC_BINARY 0x4u
#define READ_STEPS 100000u
#define READ_EVERY_S 60u

static uint16_t port;
static uint64_t read_s, read_at; /* what it said, and the counter then */

static uint32_t get(uint32_t index)
{
    port_write8(port, (uint8_t)index);
    return port_read8(port + 1);
}

static uint32_t number(uint32_t value, uint32_t status)
{
    return status & RTC_BINARY ? value : (value >> 4) * 10 + (value & 15);
}

static uint64_t read_once(void)
{
    uint32_t status = get(RTC_STATUS_B), hours = get(RTC_HOURS), hour = number(hours & ~RTC_HOURS_PM, status);
    uint64_t days;

    if (!(status & RTC_24_HOURS))
        hour = hour % 12 + (hours & RTC_HOURS_PM ? 12 : 0);
    days = (uint64_t)calendar_days(2000 + number(get(RTC_YEAR), status), number(get(RTC_MONTH), status), number(get(RTC_DAY), status));
    return (days * 24 + hour) * 3600 + number(get(RTC_MINUTES), status) * 60 + number(get(RTC_SECONDS), status);
}

static uint64_t read_clock(void)
{
    uint64_t value, again = read_once();
    uint32_t steps = 0;

    do {
        value = again;
        while (get(RTC_STATUS_A) & RTC_UPDATING && steps < READ_STEPS)
            steps++;
        again = read_once();
    } while (value != again && steps++ < READ_STEPS);
    return value;
}

uint64_t clock_read_s(void)
{
    bool enabled;

    if (!port)
        return 0;
    enabled = interrupt_mask(); /* the worker reads it too */
    if (!read_at || (counter_read() - read_at) / counter_frequency() >= READ_EVERY_S) {
        read_s = read_clock();
        read_at = counter_read();
    }
    interrupt_restore(enabled);
    return read_s + (counter_read() - read_at) / counter_frequency();
}

void clock_init(void)
{
    port = (uint16_t)tree_reg(tree_compatible(-1, "motorola,mc146818"), 0).base;
}
