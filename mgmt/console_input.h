/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input for a domain's console, whatever device is behind it: the kernel's emulated UART or a virtio-console of this
 * domain. Loop context.
 */
#ifndef MGMT_CONSOLE_INPUT_H
#define MGMT_CONSOLE_INPUT_H

#include <stdint.h>

/* Returns how many of the bytes the device took. When it took less, console_attach_input_ready(console) is called once
 * it has room again. */
uint32_t console_input(uint32_t console, const void *data, uint32_t length);

#endif
