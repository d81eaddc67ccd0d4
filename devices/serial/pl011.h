/* SPDX-License-Identifier: Apache-2.0 */
/* An emulated PL011 (Arm DDI 0183): output goes to the domain's console ring, input comes by HC_CONSOLE_INPUT. */
#ifndef DEVICES_SERIAL_PL011_H
#define DEVICES_SERIAL_PL011_H

#include <core/vcpu.h>

void pl011_init(struct domain *domain);  /* boot CPU; partition flag PARTITION_UART */
void pl011_reset(struct domain *domain); /* the domain is stopped */
/* Any CPU: input for the UART behind this console ring. Returns how many bytes were taken; if not all of them,
 * DOORBELL_CONSOLE follows when there is room again. */
uint32_t pl011_input(uint32_t console, const void *data, uint32_t length);

#endif
