/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_CALENDAR_H
#define LIB_CALENDAR_H

#include <stdint.h>

/* Days from 1970-01-01 to a day of the Gregorian calendar. Years begin in March here, so that the leap day is the last one. */
static inline int64_t calendar_days(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;

    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

#endif
