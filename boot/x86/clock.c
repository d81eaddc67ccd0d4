// SPDX-License-Identifier: Apache-2.0
/* The CMOS clock (MC146818), read once: UNIX time, taking the clock's for UTC. */
#include "stage.h"

#include <arch/cpu.h>
#include <lib/calendar.h>

#define SECONDS 0
#define MINUTES 2
#define HOURS 4
#define DAY 7
#define MONTH 8
#define YEAR 9
#define STATUS_A 10
#define STATUS_B 11
#define UPDATING 0x80
#define HOURS_24 2
#define BINARY 4
#define AFTERNOON 0x80
#define UPDATE_SPINS 100000 /* an update takes 2 ms */

static uint8_t cmos_read(uint8_t index)
{
    port_write8(facts.clock_port, index);
    return port_read8(facts.clock_port + 1);
}

static uint32_t number(uint8_t value, uint8_t format)
{
    return format & BINARY ? value : (value >> 4) * 10u + (value & 15);
}

static uint64_t read_once(void)
{
    uint8_t format = cmos_read(STATUS_B), hours = cmos_read(HOURS);
    uint32_t hour = number(hours & (format & HOURS_24 ? 0xff : 0x7f), format);
    uint32_t year = 2000 + number(cmos_read(YEAR), format), month = number(cmos_read(MONTH), format);
    uint32_t day = number(cmos_read(DAY), format), minute = number(cmos_read(MINUTES), format);

    if (!(format & HOURS_24))
        hour = hour % 12 + (hours & AFTERNOON ? 12 : 0);
    if (month < 1 || month > 12 || day < 1 || day > 31)
        return 0;
    return (((uint64_t)calendar_days(year, month, day) * 24 + hour) * 60 + minute) * 60 +
           number(cmos_read(SECONDS), format);
}

/* Twice the same: no update came in between. */
uint64_t clock_read(void)
{
    uint64_t seconds = 0, before;

    if (!facts.clock_port)
        return 0;
    for (uint32_t spins = 0; spins < UPDATE_SPINS && (cmos_read(STATUS_A) & UPDATING); spins++)
        ;
    for (unsigned tries = 0; tries < 3; tries++) {
        before = seconds;
        seconds = read_once();
        if (seconds == before)
            break;
    }
    return seconds;
}
