// SPDX-License-Identifier: Apache-2.0
/* Resets itself as fast as it can: the supervisor's back-off and limit hold it (issue 2, point 14). */
#include "support/guest.h"

void guest_main(void)
{
    check(true, "started");
    guest_reset();
    check(false, "a reset goes by");
}
