/* SPDX-License-Identifier: Apache-2.0 */
#include <bulkhead/partition.h>
#include <lib/ring_reader.h>
#include <mgmt/console_attach.h>
#include <mgmt/console_attach_internal.h>
#include <mgmt/console_input.h>
#include <mgmt/doorbell.h>
#include <mgmt/module.h>
#include <mgmt/platform.h>
#include <mgmt/session_internal.h>
#include <stdio.h>
#include <string.h>

#define CONTROL_BRACKET 0x1d
#define NS_PER_S 1000000000ull
/* The device took no input for so long: it is thrown away, since nobody may be reading there for ever. */
#define STALL_NS (2 * NS_PER_S)
#define CHUNK 1024u

struct attachment {
    struct session *session; /* NULL: free */
    uint32_t console;
    struct ring_reader reader;
    uint64_t lost_told; /* of reader.lost */
    bool dump;          /* ends where the ring ends now */
    uint64_t dump_end;
    bool skipping;  /* to the end of a line that the ring has only the end of */
    bool detaching; /* once the input is gone */
    bool refusal_told;
    bool at_line_start;
    uint8_t input[512]; /* taken, not yet passed on */
    uint32_t input_length;
    struct loop_timer stalled;
};

static struct attachment attachments[SESSIONS_MAX];
static struct session *writer[BULKHEAD_CONSOLES_MAX];

/* A line of ours between the guest's output. */
static void tell(struct attachment *attachment, const char *text)
{
    struct session *session = attachment->session;

    if (session->mode == SESSION_COMMAND)
        return;
    if (!attachment->at_line_start)
        session_write(session, SESSION_OUT, "\n", 1);
    session_write(session, SESSION_OUT, "[", 1);
    session_write(session, SESSION_OUT, text, strlen(text));
    session_write(session, SESSION_OUT, "]\n", 2);
    attachment->at_line_start = true;
    loop_signal(&session->source);
}

static void become_writer(struct attachment *attachment)
{
    writer[attachment->console] = attachment->session;
    attachment->refusal_told = false;
}

static enum activity_progress detach(struct attachment *attachment)
{
    tell(attachment, "detached");
    attachment->session->status = 0;
    return ACTIVITY_DONE;
}

static enum activity_progress produce(struct session *session)
{
    struct attachment *attachment = session->activity_state;
    uint8_t data[CHUNK];
    size_t length, from = 0;
    char text[80];

    if (attachment->detaching && attachment->input_length == 0)
        return detach(attachment);
    length = ring_reader_read(&attachment->reader, data,
                              attachment->dump && attachment->dump_end - attachment->reader.position < CHUNK
                                  ? attachment->dump_end - attachment->reader.position
                                  : CHUNK);
    if (attachment->reader.lost != attachment->lost_told) {
        snprintf(text, sizeof text, "%llu bytes lost: the console was faster than this session",
                 (unsigned long long)(attachment->reader.lost - attachment->lost_told));
        attachment->lost_told = attachment->reader.lost;
        attachment->skipping = false;
        tell(attachment, text);
    }
    if (attachment->skipping) {
        const uint8_t *line_end = memchr(data, '\n', length);

        from = line_end != NULL ? (size_t)(line_end - data) + 1 : length;
        attachment->skipping = line_end == NULL;
    }
    session_write_raw(session, SESSION_OUT, data + from, length - from);
    if (length > from)
        attachment->at_line_start = data[length - 1] == '\n';
    /* An overtaken reader may stand beyond the end that was meant. */
    if (attachment->dump && (length == 0 || attachment->reader.position >= attachment->dump_end)) {
        if (!attachment->at_line_start && session->mode == SESSION_INTERACTIVE)
            session_write(session, SESSION_OUT, "\n", 1);
        return ACTIVITY_DONE;
    }
    return ring_reader_empty(&attachment->reader) ? ACTIVITY_WAIT : ACTIVITY_MORE;
}

static void input_stalled(struct loop_timer *timer)
{
    struct attachment *attachment = timer->owner;

    attachment->input_length = 0;
    if (!attachment->detaching)
        tell(attachment, "input thrown away: nothing reads it there");
    session_wake(attachment->session);
    session_resume(attachment->session);
}

static void pass_input_on(struct attachment *attachment)
{
    uint32_t taken = console_input(attachment->console, attachment->input, attachment->input_length);

    if (taken == 0)
        return;
    attachment->input_length -= taken;
    memmove(attachment->input, attachment->input + taken, attachment->input_length);
    if (attachment->input_length > 0)
        loop_timer_set(&attachment->stalled, STALL_NS);
    else
        loop_timer_cancel(&attachment->stalled);
}

static void refuse_input(struct attachment *attachment)
{
    char text[160];

    if (attachment->refusal_told) {
        session_write(attachment->session, SESSION_OUT, "\a", 1);
        return;
    }
    attachment->refusal_told = true;
    snprintf(text, sizeof text, "read-only: session %u writes here; detach with Ctrl-], then 'console ... --take'",
             (unsigned)writer[attachment->console]->number);
    tell(attachment, text);
}

static size_t input(struct session *session, const uint8_t *data, size_t length)
{
    struct attachment *attachment = session->activity_state;
    uint32_t before = attachment->input_length;
    size_t at;

    if (before == sizeof attachment->input)
        pass_input_on(attachment);
    for (at = 0; at < length; at++) {
        if (data[at] == CONTROL_BRACKET) {
            /* What was typed before it still goes out; asked for again, it does not. */
            if (attachment->detaching)
                attachment->input_length = 0;
            attachment->detaching = true;
            at++;
            break;
        }
        if (attachment->dump || attachment->detaching)
            continue;
        if (writer[attachment->console] == NULL)
            become_writer(attachment);
        if (writer[attachment->console] != session) {
            refuse_input(attachment);
            at = length;
            break;
        }
        if (attachment->input_length == sizeof attachment->input)
            break;
        attachment->input[attachment->input_length++] = data[at];
    }
    if (before == 0 && attachment->input_length > 0)
        loop_timer_set(&attachment->stalled, STALL_NS);
    if (attachment->input_length > 0)
        pass_input_on(attachment);
    session_wake(session);
    return at;
}

static void end(struct session *session)
{
    struct attachment *attachment = session->activity_state;

    loop_timer_cancel(&attachment->stalled);
    if (writer[attachment->console] == session)
        writer[attachment->console] = NULL;
    attachment->session = NULL;
}

static void notice(struct session *session, const char *text)
{
    tell(session->activity_state, text);
}

static const struct activity attach_activity = {
    .name = "console",
    .produce = produce,
    .input = input,
    .end = end,
    .notice = notice,
};

static void take_over(struct attachment *attachment)
{
    struct session *former = writer[attachment->console];
    struct attachment *theirs;
    char text[64];

    if (former == attachment->session)
        return;
    become_writer(attachment);
    if (former == NULL)
        return;
    theirs = former->activity_state;
    theirs->input_length = 0;
    theirs->refusal_told = true;
    loop_timer_cancel(&theirs->stalled);
    snprintf(text, sizeof text, "session %u writes here now; you go on reading", (unsigned)attachment->session->number);
    if (session_room(former) >= OUTPUT_STEP_MAX)
        tell(theirs, text);
    session_resume(former);
}

void console_attach(struct session *session, uint32_t console, const char *name, enum console_attach_mode mode)
{
    struct attachment *attachment = attachments;
    char text[160];

    while (attachment->session != NULL) /* as many as there are sessions */
        attachment++;
    memset(attachment, 0, sizeof *attachment);
    attachment->session = session;
    attachment->console = console;
    attachment->at_line_start = true;
    attachment->stalled.run = input_stalled;
    attachment->stalled.owner = attachment;
    ring_reader_init(&attachment->reader, platform_console_ring(console), false);
    attachment->skipping = attachment->reader.position > 0;
    attachment->dump = mode == CONSOLE_DUMP;
    attachment->dump_end = attachment->reader.ring->head;
    session_start_activity(session, &attach_activity, attachment);
    if (attachment->dump)
        return;
    if (mode == CONSOLE_TAKE)
        take_over(attachment);
    else if (writer[console] == NULL)
        become_writer(attachment);
    if (writer[console] == session) {
        snprintf(text, sizeof text, "console %s: Ctrl-] detaches", name);
    } else {
        snprintf(text, sizeof text,
                 "console %s: Ctrl-] detaches; read-only, session %u writes: 'console %s --take' takes over", name,
                 (unsigned)writer[console]->number, name);
        attachment->refusal_told = true;
    }
    tell(attachment, text);
    if (attachment->skipping) {
        snprintf(text, sizeof text, "the first %llu bytes are gone", (unsigned long long)attachment->reader.position);
        tell(attachment, text);
    }
}

void console_attach_rings_grew(void)
{
    unsigned n;

    for (n = 0; n < SESSIONS_MAX; n++) {
        if (attachments[n].session != NULL && !ring_reader_empty(&attachments[n].reader))
            session_wake(attachments[n].session);
    }
}

void console_attach_input_ready(uint32_t console)
{
    struct attachment *attachment;

    if (console >= BULKHEAD_CONSOLES_MAX || writer[console] == NULL)
        return;
    attachment = writer[console]->activity_state;
    if (attachment->input_length > 0)
        pass_input_on(attachment);
    session_wake(attachment->session);
    session_resume(attachment->session);
}

struct console_users console_attach_users(uint32_t console)
{
    struct console_users users = {0};
    unsigned n;

    for (n = 0; n < SESSIONS_MAX; n++)
        users.readers += attachments[n].session != NULL && attachments[n].console == console;
    if (console < BULKHEAD_CONSOLES_MAX && writer[console] != NULL)
        users.writer = writer[console]->number;
    return users;
}

static void rings_grew(struct doorbell_system_handler *handler, uint32_t bits)
{
    (void)handler;
    (void)bits;
    console_attach_rings_grew();
}

static void console_attach_start(void)
{
    static struct doorbell_system_handler handler = {.ring = rings_grew, .mask = DOORBELL_CONSOLE};

    doorbell_register_system(&handler);
}
MODULE(MODULE_USER, console_attach, console_attach_start);
