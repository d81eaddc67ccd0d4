/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's own watchdog: it resets the machine `seconds` after it was fed last. One driver an architecture; the
 * management domain has the registers. Loop context.
 */
#ifndef DEVICES_WATCHDOG_HARDWARE_H
#define DEVICES_WATCHDOG_HARDWARE_H

#include <stdbool.h>
#include <stdint.h>

struct hardware_watchdog {
    const char *name;
    const char *problem; /* why it is not used; NULL: it runs */
    bool has_reset;      /* the last reset was its own; on machines that keep that */
    void (*feed)(void);
};

/* Sets its time, rounded up, and starts it where the loader has not; NULL: there is none. */
const struct hardware_watchdog *hardware_watchdog_start(uint32_t seconds);

#endif
