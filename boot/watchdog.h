/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's watchdog, where the configuration wants it: without the management domain it resets the machine. For
 * what loads the kernel: the UEFI loader, and the starter behind U-Boot on x86-64. */
#ifndef BOOT_WATCHDOG_H
#define BOOT_WATCHDOG_H

void start_watchdog(void);

/* What the loader has for it: to whom watches the machine. */
void say(const char *text);

#endif
