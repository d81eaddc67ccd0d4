/* SPDX-License-Identifier: Apache-2.0 */
/* Input for emulated UARTs, whichever kind the architecture's guests have (pl011.c, uart16550.c). */
#ifndef DEVICES_SERIAL_UART_H
#define DEVICES_SERIAL_UART_H

#include <stdint.h>

/* Any CPU: input for the UART behind this console ring. Returns how many bytes were taken; if not all of them,
 * DOORBELL_CONSOLE follows when there is room again. */
uint32_t uart_input(uint32_t console, const void *data, uint32_t length);

#endif
