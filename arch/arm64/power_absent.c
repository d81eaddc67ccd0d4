// SPDX-License-Identifier: Apache-2.0
/* A board of which nothing is known but PSCI. */
#include <arch/psci.h>

void power_init(void) {}

void power_cycle(bool off)
{
    (void)off;
}
