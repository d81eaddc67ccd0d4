/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts of a clock to nanoseconds and back: factors in fixed point, 56 bits after the point. What does not fit in the
 * result is UINT64_MAX: a guest may name any time.
 */
#ifndef ARCH_X86_TIME_SCALE_H
#define ARCH_X86_TIME_SCALE_H

#include <arch/cpu.h>
#include <core/deadline.h>

#define SCALE_SHIFT 56

struct time_scale {
    uint64_t ns_per_count, counts_per_ns;
};

static inline uint64_t scale_by(uint64_t value, uint64_t factor)
{
    unsigned __int128 product = (unsigned __int128)value * factor >> SCALE_SHIFT;

    return product >> 64 ? UINT64_MAX : (uint64_t)product;
}

static inline uint64_t scale_to_ns(const struct time_scale *scale, uint64_t count)
{
    return scale_by(count, scale->ns_per_count);
}

/* A count at which scale_to_ns() is `ns` or more, however large that is, and no later than need be. */
static inline uint64_t scale_to_count(const struct time_scale *scale, uint64_t ns)
{
    uint64_t count = scale_by(ns, scale->counts_per_ns);

    return count + (count != UINT64_MAX);
}

#endif
