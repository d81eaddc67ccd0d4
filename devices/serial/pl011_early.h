/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's own output on the machine's PL011: polled, while nobody else owns it. */
#ifndef DEVICES_SERIAL_PL011_EARLY_H
#define DEVICES_SERIAL_PL011_EARLY_H

#include <core/address.h>

/* Boot CPU. Baud rate and format stay as the firmware set them. */
void pl011_early_init(struct hpa base);
/* Any CPU; the caller sees to it that there is one at a time. A line that does not move is given up on. '\n' becomes CR
 * LF. */
void pl011_early_write(const char *data, size_t length);
/* Take it over from a domain that may have left it in any state. */
void pl011_early_take(void);

#endif
