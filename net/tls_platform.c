/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks that mbedTLS asks for. */
#include <mbedtls/platform_time.h>
#include <mbedtls/platform_util.h>
#include <mgmt/loop.h>
#include <time.h>

int64_t tls_platform_time(int64_t *time)
{
    int64_t now = (int64_t)time_wall_s();

    if (time != NULL)
        *time = now;
    return now;
}

mbedtls_ms_time_t mbedtls_ms_time(void)
{
    return (mbedtls_ms_time_t)(time_ns() / 1000000u);
}

/* Days since 1970-01-01 to a date of the Gregorian calendar; years are counted from March, so that the leap day is the
 * last of its year. mbedTLS uses the fields set here and no others. */
struct tm *mbedtls_platform_gmtime_r(const mbedtls_time_t *time, struct tm *result)
{
    int64_t days = *time / 86400, second = *time % 86400;

    if (*time < 0 || *time > 253402300799) /* the year 9999 */
        return NULL;
    days += 719468; /* 0000-03-01 */
    int64_t era = days / 146097, day_of_era = days % 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* 0: March */

    *result = (struct tm){
        .tm_year = (int)(year_of_era + era * 400 + (month >= 10) - 1900),
        .tm_mon = (int)(month < 10 ? month + 2 : month - 10),
        .tm_mday = (int)(day_of_year - (153 * month + 2) / 5 + 1),
        .tm_hour = (int)(second / 3600),
        .tm_min = (int)(second / 60 % 60),
        .tm_sec = (int)(second % 60),
    };
    return result;
}
