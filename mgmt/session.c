/* SPDX-License-Identifier: Apache-2.0 */
#include <bulkhead/management.h>
#include <mgmt/command.h>
#include <mgmt/password.h>
#include <mgmt/platform.h>
#include <mgmt/session_internal.h>
#include <net/status.h>
#include <stdio.h>
#include <string.h>

/* Steps of output before other sources of the loop get their turn. */
#define STEPS_A_RUN 64u
#define STATUS_INTERRUPTED 130
#define CONTROL_C 3

static struct session sessions[SESSIONS_MAX];
static char prompt[64];

static void go_on(struct session *session);

/* The buffer towards the transport. */

uint32_t session_room(const struct session *session)
{
    return SESSION_BUFFER - (session->end - session->sent);
}

static void flush(struct session *session)
{
    while (session->sent < session->end) {
        size_t taken = session->operations->write(session->transport, session->buffer + session->sent,
                                                  session->end - session->sent);

        session->sent += (uint32_t)taken;
        if (session->frame != FRAME_NONE && session->sent > session->frame)
            session->frame = FRAME_NONE; /* its length is on its way */
        if (taken == 0)
            return;
    }
    session->sent = session->end = 0;
    session->frame = FRAME_NONE;
}

static void append(struct session *session, const void *data, size_t length)
{
    if (length > session_room(session))
        return;
    if (session->end + length > SESSION_BUFFER) {
        memmove(session->buffer, session->buffer + session->sent, session->end - session->sent);
        session->end -= session->sent;
        if (session->frame != FRAME_NONE)
            session->frame -= session->sent;
        session->sent = 0;
    }
    memcpy(session->buffer + session->end, data, length);
    session->end += (uint32_t)length;
}

void session_write_raw(struct session *session, enum session_stream stream, const void *data, size_t length)
{
    if (session->mode == SESSION_COMMAND && stream != 0)
        session_command_frame(session, stream, data, length);
    else
        append(session, data, length);
}

void session_write(struct session *session, enum session_stream stream, const void *data, size_t length)
{
    const char *text = data, *end = text + length, *line_end;

    if (session->mode == SESSION_COMMAND) {
        session_write_raw(session, stream, data, length);
        return;
    }
    while ((line_end = memchr(text, '\n', (size_t)(end - text))) != NULL) {
        append(session, text, (size_t)(line_end - text));
        append(session, "\r\n", 2);
        text = line_end + 1;
    }
    append(session, text, (size_t)(end - text));
}

static void editor_write(void *owner, const char *text, size_t length)
{
    append(owner, text, length);
}

/* Commands and what they go on doing. */

static enum activity_progress produce_output(struct session *session)
{
    switch (output_produce(session)) {
    case OUTPUT_DONE:
        return ACTIVITY_DONE;
    case OUTPUT_WAITING:
        return ACTIVITY_WAIT;
    default:
        return ACTIVITY_MORE;
    }
}

static const struct activity output_activity = {.name = "output", .produce = produce_output};

void session_start_activity(struct session *session, const struct activity *activity, void *state)
{
    session->activity = activity;
    session->activity_state = state;
    session->waiting = false;
}

static void show_prompt(struct session *session)
{
    session_write(session, SESSION_OUT, session->notices, session->notices_length);
    session->notices_length = 0;
    line_editor_start(&session->editor);
}

static void command_ended(struct session *session)
{
    if (session->mode == SESSION_COMMAND)
        session_command_end(session);
    else if (!session->closing)
        show_prompt(session);
}

void session_run_line(struct session *session, const char *line)
{
    output_begin(session, false);
    session->running = true;
    session->status = command_run(session, line);
    session->running = false;
    if (session->activity == NULL && session->output.sections > 0)
        session_start_activity(session, &output_activity, NULL);
    if (session->activity == NULL)
        command_ended(session);
}

static void end_activity(struct session *session)
{
    const struct activity *activity = session->activity;

    session->activity = NULL;
    if (activity->end != NULL)
        activity->end(session);
    command_ended(session);
}

/* Input. */

struct completion {
    struct session *session;
    char common[32]; /* what all candidates begin with */
    unsigned candidates, listed;
    size_t column;
};

static void collect_candidate(void *owner, const char *candidate)
{
    struct completion *completion = owner;
    size_t n;

    if (completion->candidates++ == 0)
        snprintf(completion->common, sizeof completion->common, "%s", candidate);
    for (n = 0; completion->common[n] != 0 && completion->common[n] == candidate[n];)
        n++;
    completion->common[n] = 0;
}

static void list_candidate(void *owner, const char *candidate)
{
    struct completion *completion = owner;

    if (++completion->listed > 100)
        return;
    if (completion->column + strlen(candidate) + 2 > completion->session->editor.width) {
        append(completion->session, "\r\n", 2);
        completion->column = 0;
    }
    append(completion->session, candidate, strlen(candidate));
    append(completion->session, "  ", 2);
    completion->column += strlen(candidate) + 2;
}

static void complete(struct session *session)
{
    struct line_editor *editor = &session->editor;
    struct completion completion = {.session = session};
    char line[LINE_MAX_BYTES + 1];
    size_t there, more;

    memcpy(line, editor->text, editor->cursor);
    line[editor->cursor] = 0;
    there = command_complete(line, collect_candidate, &completion);
    more = strlen(completion.common);
    more = more > there ? more - there : 0;
    if (completion.candidates == 0) {
        line_editor_bell(editor);
    } else if (completion.candidates == 1) {
        line_editor_insert(editor, completion.common + there, more);
        line_editor_insert(editor, " ", 1);
    } else if (more > 0) {
        line_editor_insert(editor, completion.common + there, more);
    } else {
        line_editor_refresh(editor);
        line_editor_leave(editor);
        command_complete(line, list_candidate, &completion);
        append(session, "\r\n", 2);
    }
}

/* Bytes at the prompt: up to the end of a line that starts something. Returns how many were used. */
static size_t prompt_input(struct session *session, const uint8_t *data, size_t length)
{
    size_t at;

    for (at = 0; at < length && session->activity == NULL && !session->closing; at++) {
        switch (line_editor_input(&session->editor, data[at])) {
        case LINE_DONE:
            session_run_line(session, session->editor.text);
            break;
        case LINE_INTERRUPT:
            show_prompt(session);
            break;
        case LINE_END:
            line_editor_leave(&session->editor);
            session_run_line(session, "exit");
            break;
        case LINE_COMPLETE:
            complete(session);
            break;
        case LINE_NOTHING:
            break;
        }
        if (session_room(session) < OUTPUT_STEP_MAX)
            flush(session);
        if (session_room(session) < OUTPUT_STEP_MAX) {
            at++;
            break;
        }
    }
    if (session->activity == NULL && !session->closing)
        line_editor_refresh(&session->editor);
    return at;
}

/* While a command without input of its own runs. */
static size_t type_ahead(struct session *session, const uint8_t *data, size_t length)
{
    size_t at;

    for (at = 0; at < length; at++) {
        if (data[at] == CONTROL_C && session->mode == SESSION_INTERACTIVE && session->activity != NULL &&
            session->activity->input == NULL) {
            session->typed_ahead_length = 0;
            session->status = STATUS_INTERRUPTED;
            session_write(session, SESSION_OUT, "^C\n", 3);
            end_activity(session);
            return at + 1;
        }
        if (session->typed_ahead_length == SESSION_TYPED_AHEAD)
            break;
        session->typed_ahead[session->typed_ahead_length++] = data[at];
    }
    return at;
}

static size_t take_input(struct session *session, const uint8_t *data, size_t length)
{
    if (session->closing)
        return length; /* nobody reads it any more */
    if (session->mode == SESSION_COMMAND && !session->command_given)
        return session_command_receive(session, data, length);
    if (session->activity != NULL && session->activity->input != NULL)
        return session->activity->input(session, data, length);
    if (session->activity != NULL || session_room(session) < OUTPUT_STEP_MAX)
        return type_ahead(session, data, length);
    return prompt_input(session, data, length);
}

/* What was typed ahead, as far as it can be used now. True: some was. */
static bool use_typed_ahead(struct session *session)
{
    uint8_t data[SESSION_TYPED_AHEAD];
    size_t length = session->typed_ahead_length, used;

    if (length == 0 || session_room(session) < OUTPUT_STEP_MAX ||
        (session->activity != NULL && session->activity->input == NULL))
        return false;
    memcpy(data, session->typed_ahead, length);
    session->typed_ahead_length = 0;
    used = take_input(session, data, length);
    /* Whatever that started has not yet typed ahead itself: the rest stands first. */
    memcpy(session->typed_ahead, data + used, length - used);
    session->typed_ahead_length = (uint32_t)(length - used);
    return used > 0;
}

/* Everything that can be done now: sends, runs the activity, uses what was typed ahead. */
static void go_on(struct session *session)
{
    unsigned steps;

    for (steps = 0;; steps++) {
        enum activity_progress progress = ACTIVITY_WAIT;

        flush(session);
        if (session->closing) {
            if (session->sent == session->end && !session->close_sent) {
                session->close_sent = true;
                session->operations->close(session->transport);
            }
            return;
        }
        if (steps == STEPS_A_RUN) {
            loop_signal(&session->source);
            return;
        }
        if (session_room(session) < OUTPUT_STEP_MAX)
            break; /* session_writable() comes */
        if (session->activity != NULL && !session->waiting) {
            progress = session->activity->produce(session);
            if (progress == ACTIVITY_DONE)
                end_activity(session);
            session->waiting = progress == ACTIVITY_WAIT;
        }
        if (progress == ACTIVITY_WAIT && !use_typed_ahead(session))
            break;
    }
    flush(session);
    if (session->activity == NULL && session_room(session) >= OUTPUT_STEP_MAX)
        session->input_room = true;
    if (session->refused_input && session->input_room)
        loop_signal(&session->source);
}

static void run_source(struct loop_source *source)
{
    struct session *session = source->owner;

    if (session->operations == NULL || session->close_sent)
        return;
    if (session->refused_input && session->input_room) {
        session->refused_input = false;
        if (session->operations->resume != NULL)
            session->operations->resume(session->transport);
    }
    go_on(session);
}

void session_wake(struct session *session)
{
    if (session->waiting) {
        session->waiting = false;
        loop_signal(&session->source);
    }
}

void session_resume(struct session *session)
{
    session->input_room = true;
    if (session->refused_input)
        loop_signal(&session->source);
}

/* What the transport calls. */

size_t session_receive(struct session *session, const void *data, size_t length)
{
    const uint8_t *bytes = data;
    size_t at = 0, taken;

    do {
        /* What was typed ahead comes first. */
        if (session->typed_ahead_length > 0 && !session->closing)
            taken = type_ahead(session, bytes + at, length - at);
        else
            taken = take_input(session, bytes + at, length - at);
        at += taken;
        go_on(session);
    } while (taken > 0 && at < length);
    if (at < length) {
        session->refused_input = true;
        session->input_room = false;
    }
    return at;
}

void session_writable(struct session *session)
{
    go_on(session);
}

static void write_banner(struct session *session)
{
    const struct status_page *status = platform_status();
    struct net_tls_status tls;

    net_tls_status(&tls);
    output_print(session, "%s: Bulkhead %.47s, %u domains on %u CPUs. 'help' lists the commands, Tab completes.",
                 hostname, status->kernel_version, status->partitions, status->cpus);
    if (status->bundle_development)
        output_print(session, "Warning: a development key, made by the build: whoever has it decides what runs here.");
    if (tls.development)
        output_print(session, "Warning: development certificates, made by the build: whoever has its keys can log in.");
}

struct session *session_open(const struct session_transport *operations, void *transport, enum session_mode mode)
{
    static uint32_t last_number;
    struct session *session = NULL;
    unsigned n;

    for (n = 0; n < SESSIONS_MAX && session == NULL; n++) {
        if (sessions[n].operations == NULL)
            session = &sessions[n];
    }
    if (session == NULL)
        return NULL;
    session->operations = operations;
    session->transport = transport;
    session->mode = mode;
    session->number = ++last_number;
    session->opened_ns = time_ns();
    session->status = 0;
    session->waiting = session->refused_input = session->input_room = false;
    session->closing = session->close_sent = session->command_given = session->running = false;
    session->source.run = run_source;
    session->source.owner = session;
    session->activity = NULL;
    session->typed_ahead_length = session->notices_length = 0;
    session->sent = session->end = 0;
    session->frame = FRAME_NONE;
    snprintf(prompt, sizeof prompt, "%s> ", hostname);
    line_editor_init(&session->editor, prompt, editor_write, session);
    if (mode == SESSION_INTERACTIVE) {
        write_banner(session);
        if (operations->asks_password)
            password_ask(session);
        else
            show_prompt(session);
    }
    go_on(session);
    return session;
}

void session_close(struct session *session)
{
    session->closing = true;
}

void session_closed(struct session *session)
{
    const struct activity *activity = session->activity;

    session->closing = session->close_sent = true;
    session->activity = NULL;
    if (activity != NULL && activity->end != NULL)
        activity->end(session);
    session->operations = NULL;
}

struct session *session_next(const struct session *session)
{
    size_t n = session == NULL ? 0 : (size_t)(session - sessions) + 1;

    for (; n < SESSIONS_MAX; n++) {
        if (sessions[n].operations != NULL)
            return &sessions[n];
    }
    return NULL;
}

static void notice(struct session *session, const char *text)
{
    size_t length = strlen(text);

    if (session->running || (session->activity != NULL && session->activity->notice == NULL)) {
        if (length + 1 <= SESSION_NOTICES - session->notices_length) {
            memcpy(session->notices + session->notices_length, text, length);
            session->notices[session->notices_length + length] = '\n';
            session->notices_length += (uint32_t)length + 1;
        }
        return;
    }
    if (session_room(session) < OUTPUT_STEP_MAX)
        return; /* a session that does not read; the log has it */
    if (session->activity != NULL) {
        session->activity->notice(session, text);
    } else {
        line_editor_hide(&session->editor);
        session_write(session, SESSION_OUT, text, length);
        session_write(session, SESSION_OUT, "\n", 1);
        line_editor_refresh(&session->editor);
    }
    flush(session);
}

void session_notice_all(const char *text)
{
    struct session *session = NULL;

    while ((session = session_next(session)) != NULL) {
        if (session->mode == SESSION_INTERACTIVE && !session->closing)
            notice(session, text);
    }
}
