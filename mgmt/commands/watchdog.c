/* SPDX-License-Identifier: Apache-2.0 */
/* watchdog: the machine's own. */
#include <bulkhead/management.h>
#include <mgmt/command.h>
#include <mgmt/output.h>
#include <mgmt/session_internal.h>
#include <mgmt/watchdog.h>
#include <stddef.h>

static enum output_step watchdog_row(struct output_row *row, struct output_cursor *cursor)
{
    const struct hardware_watchdog *hardware = watchdog_hardware();

    if (cursor->row > 0)
        return OUTPUT_END;
    if (hardware == NULL) {
        row_none(row);
        row_text(row, "there is none, or the configuration leaves it out");
    } else {
        row_text(row, hardware->name);
        row_text(row, hardware->problem != NULL ? hardware->problem : "runs");
    }
    row_number(row, watchdog_s);
    row_number(row, watchdog_fed());
    row_flag(row, hardware != NULL && hardware->has_reset);
    return OUTPUT_ROW;
}

static const struct output_column watchdog_columns[] = {
    {"watchdog", "hardware watchdog"},       {"state", "state"}, {"seconds", "resets after (s)"}, {"fed", "times fed"},
    {"has_reset", "it made the last reset"},
};
static const struct output_section watchdog_section = {
    .key = "watchdog",
    .kind = OUTPUT_RECORD,
    .column = watchdog_columns,
    .columns = sizeof watchdog_columns / sizeof watchdog_columns[0],
    .row = watchdog_row,
};

static int run_watchdog(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    (void)argument;
    output_section(session, &watchdog_section, 0);
    return COMMAND_OK;
}
COMMAND(watchdog, "watchdog", "[--json]", "the hardware watchdog, which resets the appliance when nobody feeds it",
        run_watchdog, NULL);
