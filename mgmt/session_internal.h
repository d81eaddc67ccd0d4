/* SPDX-License-Identifier: Apache-2.0 */
/* A session, as the files that make up the shell see it. */
#ifndef MGMT_SESSION_INTERNAL_H
#define MGMT_SESSION_INTERNAL_H

#include <mgmt/line_editor.h>
#include <mgmt/loop.h>
#include <mgmt/output.h>
#include <mgmt/session.h>
#include <stdint.h>

#define SESSIONS_MAX 16u
#define SESSION_BUFFER 16384u
#define SESSION_TYPED_AHEAD 512u
#define SESSION_NOTICES 1024u

enum session_stream { SESSION_OUT = 1, SESSION_ERROR = 2, SESSION_STATUS = 3 }; /* the frames' types */

enum activity_progress {
    ACTIVITY_DONE, /* the command has ended; its exit status is in session->status */
    ACTIVITY_MORE, /* call produce() again when there is room */
    ACTIVITY_WAIT, /* nothing to do until session_wake() */
};

/* What a command that does not end at once goes on doing. */
struct activity {
    const char *name;                                           /* for `session list` */
    enum activity_progress (*produce)(struct session *session); /* OUTPUT_STEP_MAX bytes of room are there */
    /* Takes input, returns how much; when that is less, session_resume() later. NULL: only Ctrl-C means something, and
     * the rest waits for the prompt. */
    size_t (*input)(struct session *session, const uint8_t *data, size_t length);
    void (*end)(struct session *session);                      /* it ended, or the session was closed; may be NULL */
    void (*notice)(struct session *session, const char *text); /* NULL: notices wait for its end */
};

struct session { /* in a fixed pool, so that a source that is pending when a session closes does no harm */
    const struct session_transport *operations; /* NULL: this one is free */
    void *transport;
    enum session_mode mode;
    uint32_t number; /* 1, 2, 3, ...: for people */
    uint64_t opened_ns;
    int status;         /* exit status of the last command */
    bool running;       /* a command's run() is on the stack */
    bool waiting;       /* the activity said ACTIVITY_WAIT */
    bool refused_input; /* the transport keeps some, and is to be asked for it */
    bool input_room;    /* ... now */
    bool closing, close_sent;
    struct loop_source source; /* goes on where one run would take too long */

    const struct activity *activity; /* NULL: at the prompt */
    void *activity_state;
    struct output output;
    struct line_editor editor;

    uint8_t typed_ahead[SESSION_TYPED_AHEAD];
    uint32_t typed_ahead_length;
    char notices[SESSION_NOTICES];
    uint32_t notices_length;

    /* What the transport has not taken yet: buffer[sent..end). */
    uint8_t buffer[SESSION_BUFFER];
    uint32_t sent, end;
    uint32_t frame;     /* SESSION_COMMAND: where the frame that can still grow begins, or FRAME_NONE */
    bool command_given; /* SESSION_COMMAND: the line came; what follows is input of its activity */
};
#define FRAME_NONE UINT32_MAX

/* Appends to the buffer; interactive sessions get "\r\n" for "\n". What does not fit is dropped: see to it that it
 * does. */
void session_write(struct session *session, enum session_stream stream, const void *data, size_t length);
/* Likewise, but a terminal gets the bytes as they are. */
void session_write_raw(struct session *session, enum session_stream stream, const void *data, size_t length);
uint32_t session_room(const struct session *session);
/* The activity of a session has something to do again. */
void session_wake(struct session *session);
/* Any command may make its session go on with this; produce() is called next. */
void session_start_activity(struct session *session, const struct activity *activity, void *state);
/* The activity of a session takes input again. */
void session_resume(struct session *session);
/* The next open session after `session` (NULL: the first one), or NULL. */
struct session *session_next(const struct session *session);
/* Asks the transport to close once what was written is sent. */
void session_close(struct session *session);

/* session_command.c: tools/bhctl's protocol. */
void session_command_frame(struct session *session, enum session_stream stream, const void *data, size_t length);
void session_command_end(struct session *session);
/* Takes bytes of the command line and runs it when it is whole; returns how many were taken. */
size_t session_command_receive(struct session *session, const uint8_t *data, size_t length);

/* Runs a line; when that takes longer than this call, session->activity is set. */
void session_run_line(struct session *session, const char *line);

#endif
