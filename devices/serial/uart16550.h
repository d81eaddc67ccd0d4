/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An emulated 16550A (National Semiconductor PC16550D) at I/O ports: output goes to the domain's console ring, input
 * comes by HC_CONSOLE_INPUT (uart.h). A transmitter that is always empty, no modem.
 */
#ifndef DEVICES_SERIAL_UART16550_H
#define DEVICES_SERIAL_UART16550_H

#include <core/vcpu.h>

void uart16550_init(struct domain *domain);  /* boot CPU; partition flag PARTITION_UART */
void uart16550_reset(struct domain *domain); /* the domain is stopped */

#endif
