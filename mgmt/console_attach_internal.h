/* SPDX-License-Identifier: Apache-2.0 */
/* What the `console` command needs of console_attach.c. */
#ifndef MGMT_CONSOLE_ATTACH_INTERNAL_H
#define MGMT_CONSOLE_ATTACH_INTERNAL_H

#include <stdint.h>

struct session;

enum console_attach_mode {
    CONSOLE_ATTACH, /* the first one writes */
    CONSOLE_TAKE,   /* writes from now on, whoever did before */
    CONSOLE_DUMP,   /* what the ring holds now, and ends */
};

/* Attaches the session to a console ring that exists; `name` is shown. From a command's run(). */
void console_attach(struct session *session, uint32_t console, const char *name, enum console_attach_mode mode);

#endif
