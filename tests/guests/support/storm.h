/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_GUESTS_SUPPORT_STORM_H
#define TESTS_GUESTS_SUPPORT_STORM_H

/* When an interrupt storm is over. The guest defines STORM_MS before, and counts into `taken`; included once a guest.
 */
#include "tests/guests/support/guest.h"

#define ENOUGH 100 /* interrupts that make a storm */

static volatile uint64_t taken[CPUS]; /* by each CPU; counted by the guest's handler */
static volatile bool stop;
static uint32_t cpus;

/* It lasts STORM_MS, and on a machine so slow that this is not much of a storm, until it is one. */
static bool is_over(uint64_t begin, bool enough)
{
    uint64_t lasts = now_ms() - begin;

    return lasts >= PATIENCE_MS || (lasts >= STORM_MS && enough);
}

static uint64_t taken_elsewhere(void)
{
    uint64_t others = 0;

    for (uint32_t i = 1; i < cpus; i++)
        others += taken[i];
    return others;
}

static bool taken_by_all(void)
{
    return taken[0] > 0 && (cpus == 1 || taken_elsewhere() > 0);
}

#endif
