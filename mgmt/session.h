/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session of the shell: a transport below (serial line, TLS), the line editor and the commands above. Loop context.
 *
 * Both directions have back-pressure, so a session's memory is fixed: what the transport does not take stays here and
 * whatever makes output waits; what the session does not take stays with the transport.
 */
#ifndef MGMT_SESSION_H
#define MGMT_SESSION_H

#include <stdbool.h>
#include <stddef.h>

struct session;

struct session_transport {
    const char *name; /* "serial", or "tls 10.0.2.2:4711 CN=operator" for listings and the log */
    /* Takes up to `length` bytes, returns how many; when it took less it calls session_writable() later, and never from
     * within this call. */
    size_t (*write)(void *transport, const void *data, size_t length);
    /* Close after what was written is sent. The transport calls session_closed() when it is gone. Serial: logs out. */
    void (*close)(void *transport);
    /* The session took less than session_receive() offered and has room again: offer the rest. May be NULL: then what
     * was not taken is lost. Never called from within session_receive(). */
    void (*resume)(void *transport);
    bool asks_password; /* before the first prompt; one such session at a time */
};

enum session_mode {
    SESSION_INTERACTIVE, /* line editor, prompt, echo */
    SESSION_COMMAND,     /* tools/bhctl: one command line, output in frames, exit status; see mgmt/session_command.c */
};

/* NULL: too many sessions, or no memory; the transport closes. Writes the banner and the prompt. */
struct session *session_open(const struct session_transport *operations, void *transport, enum session_mode mode);
/* Returns how many bytes were taken. */
size_t session_receive(struct session *session, const void *data, size_t length);
void session_writable(struct session *session);
/* The transport is gone: the session is freed. Not from within a call that the session makes to its transport. */
void session_closed(struct session *session);

/* One line for the people at every interactive session (supervision); it does not disturb what is being typed. */
void session_notice_all(const char *text);

#endif
