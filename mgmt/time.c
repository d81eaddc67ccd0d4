/* SPDX-License-Identifier: Apache-2.0 */
#include <devices/rtc/clock.h>
#include <lib/native.h>
#include <mgmt/loop.h>
#include <mgmt/time.h>

#define NS_PER_S 1000000000ull

/* 32.32 fixed point, so that a conversion is a multiplication. */
static uint64_t ns_per_tick, ticks_per_ns;

static uint64_t scale(uint64_t value, uint64_t factor)
{
    return (uint64_t)(((unsigned __int128)value * factor) >> 32);
}

uint64_t time_ns(void)
{
    return scale(counter_read(), ns_per_tick);
}

uint64_t time_counter(uint64_t ns)
{
    return ns == UINT64_MAX ? ns : scale(ns, ticks_per_ns) + 1;
}

uint64_t time_wall_s(void)
{
    return clock_read_s();
}

void time_init(void)
{
    uint64_t hertz = counter_frequency();

    if (!hertz)
        panic("the system counter has no frequency");
    ns_per_tick = (uint64_t)(((unsigned __int128)NS_PER_S << 32) / hertz);
    ticks_per_ns = (uint64_t)((((unsigned __int128)hertz << 32) + NS_PER_S - 1) / NS_PER_S);
    clock_init();
}
