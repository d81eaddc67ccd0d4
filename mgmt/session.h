/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session of the shell: a transport below (serial line, TLS), the line editor and the commands above. Loop context.
 */
#ifndef MGMT_SESSION_H
#define MGMT_SESSION_H

#include <stdbool.h>
#include <stddef.h>

struct session;

struct session_transport {
    const char *name; /* "serial", or "tls 10.0.2.2:4711 CN=operator" for listings and the log */
    /* Takes up to `length` bytes, returns how many; when it took less it calls session_writable() later. */
    size_t (*write)(void *transport, const void *data, size_t length);
    /* Close after what was written is sent. The transport calls session_closed() when it is gone. Serial: logs out. */
    void (*close)(void *transport);
};

enum session_mode {
    SESSION_INTERACTIVE, /* line editor, prompt, echo */
    SESSION_COMMAND,     /* tools/bhctl: one command line, output in frames, exit status; see mgmt/session_command.c */
};

struct session *session_open(const struct session_transport *operations, void *transport, enum session_mode mode);
void session_receive(struct session *session, const void *data, size_t length);
void session_writable(struct session *session);
void session_closed(struct session *session);

#endif
