/* SPDX-License-Identifier: Apache-2.0 */
/* log, log events. */
#include <lib/ring_reader.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/command.h>
#include <mgmt/commands/events.h>
#include <mgmt/doorbell.h>
#include <mgmt/module.h>
#include <mgmt/output.h>
#include <mgmt/platform.h>
#include <string.h>

#define LINE_SIZE 512u

/*
 * position[0]: the next byte of the ring, plus 1 so that 0 says "not begun". Each row is read anew at its place, so
 * that a listing needs no memory of its own. A line that is longer than a row goes on in the next one.
 */
static enum output_step log_row(struct output_row *row, struct output_cursor *cursor)
{
    struct ring_reader reader;
    char line[LINE_SIZE];
    const char *end;
    size_t length, used;
    bool begins = cursor->position[0] == 0, follow = cursor->argument != 0;

    ring_reader_init(&reader, platform_log_ring(), false);
    if (!begins && cursor->position[0] - 1 > reader.position)
        reader.position = cursor->position[0] - 1;
    begins = begins && reader.position > 0;
    for (;;) {
        length = ring_reader_read(&reader, line, sizeof line);
        end = memchr(line, '\n', length);
        if (length == 0 || (end == NULL && length < sizeof line && follow))
            return follow ? OUTPUT_WAIT : OUTPUT_END;
        used = end != NULL ? (size_t)(end - line) + 1 : length;
        reader.position -= length - used;
        cursor->position[0] = reader.position + 1;
        if (!begins)
            break;
        begins = end == NULL; /* the ring begins in the middle of a line */
    }
    if (end != NULL)
        used--;
    if (used > 0 && line[used - 1] == '\r')
        used--;
    row_bytes_text(row, line, used);
    return OUTPUT_ROW;
}

static const struct output_section log_section = {.key = "log", .kind = OUTPUT_TEXT, .row = log_row};

static int run_log(struct session *session, int arguments, char **argument)
{
    bool follow = command_option(&arguments, argument, "--follow");

    if (follow && output_json(session)) {
        output_error(session, "--follow never ends, so it does not go together with --json");
        return COMMAND_WRONG_USE;
    }
    output_section(session, &log_section, follow);
    return COMMAND_OK;
}
COMMAND(log, "log", "[--follow] [--json]", "the kernel's and the management domain's log; --follow: Ctrl-C ends",
        run_log, NULL);

static int run_events(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    (void)argument;
    output_section(session, &events_section, EVENTS_OF_ALL);
    return COMMAND_OK;
}
COMMAND(log_events, "log events", "[--json]",
        "starts, stops, crashes, restarts: cause and time; kept over a warm reset", run_events, NULL);

void log_follow_grew(void)
{
    output_wake();
}

static void log_grew(struct doorbell_system_handler *handler, uint32_t bits)
{
    (void)handler;
    (void)bits;
    log_follow_grew();
}

static void log_start(void)
{
    static struct doorbell_system_handler handler = {.ring = log_grew, .mask = DOORBELL_LOG};

    doorbell_register_system(&handler);
}
MODULE(MODULE_USER, log_follow, log_start);
