/* SPDX-License-Identifier: Apache-2.0 */
#include <bulkhead/partition.h>
#include <lib/stop_cause.h>
#include <mgmt/commands/events.h>
#include <mgmt/platform.h>
#include <stdio.h>
#include <time.h>

/* Of EVENT_RESTART and EVENT_GIVE_UP the detail is a number, of a stop an address or the call that asked for it. */
static void detail_cell(struct output_row *row, const struct supervision_event *event)
{
    switch (event->kind) {
    case EVENT_BOOT:
        row_text(row, event->detail != 0 ? "after a warm reset" : "after power-on");
        break;
    case EVENT_START:
        row_format(row, "start %llu", (unsigned long long)event->detail + 1);
        break;
    case EVENT_RESTART:
        row_format(row, "after %llu ms", (unsigned long long)event->detail);
        break;
    case EVENT_GIVE_UP:
        row_format(row, "limit %llu", (unsigned long long)event->detail);
        break;
    default:
        if (event->detail != 0 && (event->cause == CAUSE_GUEST_RESET || event->cause == CAUSE_POWER_OFF))
            row_format(row, "call 0x%llx", (unsigned long long)event->detail);
        else if (event->detail != 0)
            row_format(row, "at 0x%llx", (unsigned long long)event->detail);
        else
            row_none(row);
        break;
    }
}

static void wall_cell(struct output_row *row, uint64_t seconds)
{
    time_t time = (time_t)seconds;
    struct tm parts;
    char text[32];

    if (seconds != 0 && gmtime_r(&time, &parts) != NULL &&
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) > 0)
        row_text(row, text);
    else
        row_none(row);
}

static enum output_step event_row(struct output_row *row, struct output_cursor *cursor)
{
    const struct status_page *status = platform_status();
    uint64_t head = status->event_head;
    uint64_t *sequence = &cursor->position[0];
    struct supervision_event event;

    if (*sequence == 0 || (head >= BULKHEAD_EVENTS_MAX && *sequence <= head - BULKHEAD_EVENTS_MAX))
        *sequence = head > BULKHEAD_EVENTS_MAX ? head - BULKHEAD_EVENTS_MAX + 1 : 1;
    for (; *sequence <= head; ++*sequence) {
        event = status->event[*sequence % BULKHEAD_EVENTS_MAX];
        if (event.sequence == *sequence && (cursor->argument == EVENTS_OF_ALL || cursor->argument == event.partition))
            break;
    }
    if (*sequence > head)
        return OUTPUT_END;
    ++*sequence;
    row_number(row, event.sequence);
    row_number(row, event.boot);
    row_format(row, "%llu.%03llu", (unsigned long long)(event.milliseconds / 1000),
               (unsigned long long)(event.milliseconds % 1000));
    row_number(row, event.milliseconds);
    wall_cell(row, event.wall_seconds);
    if (event.partition < partition_count)
        row_text(row, partitions[event.partition].name);
    else
        row_text(row, "appliance");
    row_text(row, event_kind_text(event.kind));
    if (event.cause != CAUSE_NONE)
        row_text(row, stop_cause_text(event.cause));
    else
        row_none(row);
    detail_cell(row, &event);
    row_number(row, event.detail);
    return OUTPUT_ROW;
}

static const struct output_column columns[] = {
    {"sequence", "EVENT"}, {"boot", "BOOT"}, {NULL, "SECONDS"},  {"milliseconds", NULL}, {"time", "TIME"},
    {"domain", "DOMAIN"},  {"kind", "WHAT"}, {"cause", "CAUSE"}, {NULL, "DETAIL"},       {"detail", NULL},
};

const struct output_section events_section = {
    .key = "events",
    .empty = "no events",
    .kind = OUTPUT_TABLE,
    .column = columns,
    .columns = sizeof columns / sizeof columns[0],
    .row = event_row,
};
