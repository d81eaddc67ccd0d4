/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's own output on the machine's serial line: polled, while nobody else owns it. Which UART that is, the
 * build chooses (pl011_early.c, cadence_early.c, uart16550_early.c). */
#ifndef DEVICES_SERIAL_EARLY_H
#define DEVICES_SERIAL_EARLY_H

#include <stddef.h>

/* arm64: what the device tree's node of it is compatible with. */
extern const char serial_compatible[];
/* Boot CPU, platform known. Baud rate and format stay as the firmware set them. */
void serial_early_init(void);
/* Any CPU; the caller sees to it that there is one at a time. A line that does not move is given up on. '\n' becomes CR
 * LF. */
void serial_early_write(const char *data, size_t length);
/* Take it over from a domain that may have left it in any state. */
void serial_early_take(void);

#endif
