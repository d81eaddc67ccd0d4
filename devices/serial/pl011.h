/* SPDX-License-Identifier: Apache-2.0 */
/* An emulated PL011 (Arm DDI 0183): output goes to the domain's console ring, input comes through uart_input(). */
#ifndef DEVICES_SERIAL_PL011_H
#define DEVICES_SERIAL_PL011_H

#include <core/vcpu.h>

void pl011_init(struct domain *domain);  /* boot CPU; partition flag PARTITION_UART */
void pl011_reset(struct domain *domain); /* the domain is stopped */

#endif
