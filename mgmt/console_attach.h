/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions attached to domains' consoles. The kernel keeps each console's last bytes in a ring (console.h); any number
 * of sessions read it at their own pace, one writes. A reader that is too slow loses the oldest bytes and is told so.
 * Loop context.
 */
#ifndef MGMT_CONSOLE_ATTACH_H
#define MGMT_CONSOLE_ATTACH_H

#include <stdint.h>

/* DOORBELL_CONSOLE: rings grew. */
void console_attach_rings_grew(void);
/* The device behind a console has room for input again after console_input() took less than it was given. */
void console_attach_input_ready(uint32_t console);

struct console_users {
    uint32_t readers; /* the writer counts too */
    uint32_t writer;  /* session number, 0: none */
};
struct console_users console_attach_users(uint32_t console);

#endif
