/* SPDX-License-Identifier: Apache-2.0 */
/* The board's real-time clock, as a native domain reads it. One file a kind of clock; the build chooses. */
#ifndef DEVICES_RTC_CLOCK_H
#define DEVICES_RTC_CLOCK_H

#include <stdint.h>

void clock_init(void);       /* boot, before anybody reads it */
uint64_t clock_read_s(void); /* UNIX time; 0: there is no clock. Any context but interrupts. */

#endif
