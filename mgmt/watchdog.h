/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds the hardware watchdog. As the heartbeat, only if the loop turns. A management domain that hangs is restarted by
 * the kernel, in less time than the watchdog has; the watchdog is for what the kernel does not see, and for the kernel.
 */
#ifndef MGMT_WATCHDOG_H
#define MGMT_WATCHDOG_H

#include <devices/watchdog/hardware.h>

const struct hardware_watchdog *watchdog_hardware(void); /* NULL: none, or none is configured */
uint64_t watchdog_fed(void);                             /* times since the start of this program */

#endif
