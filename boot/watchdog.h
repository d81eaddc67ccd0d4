/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's watchdog, where the configuration wants it: without the management domain it resets the machine. For
 * what loads the kernel: the UEFI loader, and the starter behind U-Boot on x86-64. */
#ifndef BOOT_WATCHDOG_H
#define BOOT_WATCHDOG_H

#include <stdbool.h>

/* `bare`: what runs before this gives the chipset's registers no place (U-Boot), so this may. Without, they are where the
 * firmware has put them; if it has not, a line says so and there is no watchdog. */
void start_watchdog(bool bare);

/* What the loader has for it: to whom watches the machine. */
void say(const char *text);

#endif
