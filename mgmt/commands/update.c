/* SPDX-License-Identifier: Apache-2.0 */
/* slots, update, update receive, confirm, rollback, abort. docs/update.md. */
#include <inttypes.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/command.h>
#include <mgmt/output.h>
#include <mgmt/session_internal.h>
#include <mgmt/trial.h>
#include <stdio.h>
#include <storage/state_partition.h>
#include <storage/update.h>
#include <string.h>

static const char *phase_text(enum update_phase phase)
{
    static const char *const text[] = {
        [UPDATE_IDLE] = "none",
        [UPDATE_INSPECTING] = "looking at the slots",
        [UPDATE_HEADER] = "waiting for its manifest",
        [UPDATE_SIGNATURE] = "checking the signature",
        [UPDATE_KEPT] = "checking that the other slot is whole",
        [UPDATE_CLOSING] = "closing the slot",
        [UPDATE_WRITING] = "writing",
        [UPDATE_SEALING] = "writing the last bytes",
        [UPDATE_CHECKING] = "reading it back",
        [UPDATE_OPENING] = "opening the slot for one trial boot",
        [UPDATE_DONE] = "installed",
        [UPDATE_FAILED] = "failed",
    };

    return text[phase];
}

/* slots */

static const char *slot_state(const struct slots *slots, uint32_t index)
{
    const struct slot *slot = &slots->slot[index];
    bool runs = update_running() == (int)index;

    if (slot->corrupted)
        return "refused by the loader";
    if (slot->successful && slot->tries > 0)
        return "confirmed";
    if (runs && trial_state() == TRIAL_ON)
        return "on trial";
    if (slot->tries > 0)
        return "waits for its trial boot";
    return "does not boot";
}

static enum output_step slot_row(struct output_row *row, struct output_cursor *cursor)
{
    uint32_t index = (uint32_t)cursor->row;
    const struct manifest *manifest = update_manifest(index);
    const char *problem;
    struct slots slots;

    if (!slots_get(&slots) || index >= SLOTS)
        return OUTPUT_END;
    problem = slots.slot[index].corrupted ? trial_refused(index) : NULL;
    if (problem == NULL)
        problem = update_manifest_problem(index);
    row_format(row, "%c", (int)('a' + index));
    row_text(row, slot_state(&slots, index));
    row_flag(row, update_running() == (int)index);
    row_flag(row, slots_next(&slots) == (int)index);
    if (manifest != NULL) {
        row_number(row, manifest->version);
        row_text(row, manifest->release);
        row_size(row, manifest->bytes);
    } else {
        row_none(row);
        row_none(row);
        row_none(row);
    }
    row_number(row, slots.slot[index].tries);
    row_number(row, slots.slot[index].priority);
    if (problem != NULL)
        row_text(row, problem);
    else
        row_none(row);
    return OUTPUT_ROW;
}

static const struct output_column slot_columns[] = {
    {"slot", "SLOT"},       {"state", "STATE"}, {"runs", "RUNS"},   {"next", "NEXT"},         {"version", "VERSION"},
    {"release", "RELEASE"}, {"bytes", "SIZE"},  {"tries", "TRIES"}, {"priority", "PRIORITY"}, {"problem", "PROBLEM"},
};
static const struct output_section slot_section = {
    .key = "slots",
    .empty = "this appliance has no boot slots, or their record is lost",
    .kind = OUTPUT_TABLE,
    .column = slot_columns,
    .columns = sizeof slot_columns / sizeof slot_columns[0],
    .row = slot_row,
};

static enum output_step update_row(struct output_row *row, struct output_cursor *cursor)
{
    static const char *const trial[] = {
        [TRIAL_LOOKING] = "looking at the slots", [TRIAL_NONE] = "none",     [TRIAL_ON] = "waits",
        [TRIAL_CONFIRMED] = "confirmed",          [TRIAL_OVER] = "given up",
    };
    const struct update_status *status = update_status();

    if (cursor->row > 0)
        return OUTPUT_END;
    row_text(row, phase_text(status->phase));
    if (status->phase == UPDATE_IDLE || status->phase == UPDATE_INSPECTING)
        row_none(row);
    else
        row_format(row, "%c", (int)('a' + status->slot));
    if (status->phase == UPDATE_WRITING || status->phase == UPDATE_CHECKING || status->phase == UPDATE_KEPT) {
        row_size(row, status->done);
        row_size(row, status->total);
    } else {
        row_none(row);
        row_none(row);
    }
    if (status->phase == UPDATE_FAILED)
        row_text(row, status->problem);
    else
        row_none(row);
    row_text(row, trial[trial_state()]);
    if (trial_state() == TRIAL_ON && trial_waits_for()[0] != 0)
        row_text(row, trial_waits_for());
    else
        row_none(row);
    row_number(row, update_version_minimum());
    return OUTPUT_ROW;
}

static const struct output_column update_columns[] = {
    {"update", "update"},
    {"slot", "into slot"},
    {"done", "done"},
    {"total", "of"},
    {"problem", "why"},
    {"trial", "trial"},
    {"waits_for", "it waits, because"},
    {"version_minimum", "lowest version taken"},
};
static const struct output_section update_section = {
    .key = "update",
    .kind = OUTPUT_RECORD,
    .column = update_columns,
    .columns = sizeof update_columns / sizeof update_columns[0],
    .row = update_row,
};

static int run_slots(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    (void)argument;
    output_section(session, &slot_section, 0);
    return COMMAND_OK;
}
COMMAND(slots, "slots", "[--json]", "boot slots: what is in them, which one runs and which is next", run_slots, NULL);

static int run_update(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    (void)argument;
    output_section(session, &update_section, 0);
    return COMMAND_OK;
}
COMMAND(update, "update", "[--json]", "how an update goes on, and a trial", run_update, NULL);

/* update receive: by bhctl */

static enum update_phase told;

static void progressed(void *owner)
{
    struct session *session = owner;

    session_wake(session);
    session_resume(session);
}

static enum activity_progress receive_produce(struct session *session)
{
    const struct update_status *status = update_status();
    const struct manifest *manifest = update_manifest(status->slot);

    switch (status->phase) {
    case UPDATE_DONE:
        output_print(session, "installed: version %" PRIu32 " (%s) in slot %c; 'reboot' tries it", manifest->version,
                     manifest->release, (int)('a' + status->slot));
        session->status = COMMAND_OK;
        return ACTIVITY_DONE;
    case UPDATE_FAILED:
        output_error(session, "not installed: %s", status->problem);
        session->status = COMMAND_FAILED;
        return ACTIVITY_DONE;
    case UPDATE_KEPT:
    case UPDATE_WRITING:
    case UPDATE_CHECKING:
        if (told != status->phase) {
            told = status->phase;
            output_print(session, "%s", phase_text(told));
            return ACTIVITY_MORE;
        }
        return ACTIVITY_WAIT;
    default:
        return ACTIVITY_WAIT;
    }
}

static size_t receive_input(struct session *session, const uint8_t *data, size_t length)
{
    (void)session;
    return update_receive(data, length);
}

static void receive_end(struct session *session)
{
    (void)session;
    update_forget();
    update_abandon("the connection was lost");
}

static const struct activity receive_activity = {
    .name = "update receive",
    .produce = receive_produce,
    .input = receive_input,
    .end = receive_end,
};

static int run_receive(struct session *session, int arguments, char **argument)
{
    const char *problem;
    char text[80];

    (void)arguments;
    (void)argument;
    if (session->mode != SESSION_COMMAND) {
        output_error(session, "this is for bhctl: `bhctl HOST update FILE` sends an update");
        return COMMAND_FAILED;
    }
    problem = update_begin(progressed, session);
    if (problem != NULL) {
        output_error(session, "not installed: %s", problem);
        return COMMAND_FAILED;
    }
    told = UPDATE_IDLE;
    snprintf(text, sizeof text, "update: being received in session %u", (unsigned)session->number);
    bulkhead_log("%s", text);
    session_start_activity(session, &receive_activity, NULL);
    return COMMAND_OK;
}
COMMAND(update_receive, "update receive", "", "takes an update's bytes (for `bhctl HOST update FILE`)", run_receive,
        NULL);

/* The others change the slot record, and wait until that is stable. */

static struct {
    struct session *session;
    bool busy, done, success;
    char text[160];
} change;

static void change_done(bool success)
{
    change.busy = false;
    change.done = true;
    change.success = success;
    if (success)
        bulkhead_log("update: %s", change.text);
    if (change.session != NULL)
        session_wake(change.session);
}

static enum activity_progress change_produce(struct session *session)
{
    if (!change.done)
        return ACTIVITY_WAIT;
    session->status = change.success ? COMMAND_OK : COMMAND_FAILED;
    if (change.success)
        output_print(session, "%s", change.text);
    else
        output_error(session, "the slot record cannot be written: the disk fails");
    return ACTIVITY_DONE;
}

static void change_end(struct session *session)
{
    (void)session;
    change.session = NULL;
}

static const struct activity change_activity = {.name = "update", .produce = change_produce, .end = change_end};

static int put(struct session *session, const struct slots *slots)
{
    change.done = false;
    change.busy = true;
    if (!slots_put(slots, change_done)) {
        change.busy = false;
        output_error(session, "the slot record is being written by somebody else, or the disk is read-only");
        return COMMAND_FAILED;
    }
    change.session = session;
    session_start_activity(session, &change_activity, NULL);
    return COMMAND_OK;
}

/* Everything that is needed is there; false: it was said what is not. */
static bool ready(struct session *session, struct slots *slots)
{
    if (update_running() < 0 || !slots_get(slots))
        output_error(session, "this appliance has no boot slots, or their record is lost");
    else if (change.busy)
        output_error(session, "the slot record is being written by somebody else");
    else
        return true;
    return false;
}

static int run_confirm(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    (void)argument;
    if (trial_confirm())
        output_print(session, "the trial is confirmed in a moment; 'slots' shows it");
    else
        output_error(session, "nothing is on trial");
    return trial_state() == TRIAL_ON ? COMMAND_OK : COMMAND_FAILED;
}
COMMAND(update_confirm, "update confirm", "", "keep what is on trial without waiting for its health", run_confirm,
        NULL);

static int run_rollback(struct session *session, int arguments, char **argument)
{
    struct slots slots, before;
    uint32_t running, other;
    const struct manifest *manifest;

    (void)arguments;
    (void)argument;
    if (!ready(session, &slots))
        return COMMAND_FAILED;
    if (update_busy()) {
        output_error(session, "an update is under way; 'update abort' ends it");
        return COMMAND_FAILED;
    }
    before = slots;
    running = (uint32_t)update_running();
    other = 1 - running;
    manifest = update_manifest(other);
    if (!before.slot[other].successful || before.slot[other].tries == 0 || before.slot[other].corrupted) {
        output_error(session, "slot %c %s", (int)('a' + other),
                     before.slot[other].corrupted   ? "was refused by the loader: an update has to fill it first"
                     : before.slot[other].tries > 0 ? "holds nothing that ran before; 'update abort' takes away what "
                                                      "waits there"
                                                    : "holds nothing that ran before");
        return COMMAND_FAILED;
    }
    if (manifest != NULL && manifest->version < update_version_minimum()) {
        output_error(session,
                     "slot %c has version %" PRIu32 ", which is too old: this appliance takes %" PRIu32 " or later",
                     (int)('a' + other), manifest->version, update_version_minimum());
        return COMMAND_FAILED;
    }
    if (slots.slot[running].successful)
        slots_confirm(&slots, other);
    else
        slots_close(&slots, running);
    snprintf(change.text, sizeof change.text, "slot %c (%s) is next; 'reboot' starts it", (int)('a' + other),
             manifest != NULL ? manifest->release : "unknown");
    return put(session, &slots);
}
COMMAND(update_rollback, "update rollback", "", "go back to what ran before, with the next reboot", run_rollback, NULL);

static int run_abort(struct session *session, int arguments, char **argument)
{
    struct slots slots;
    uint32_t other;
    char why[48];

    (void)arguments;
    (void)argument;
    if (!ready(session, &slots))
        return COMMAND_FAILED;
    if (update_busy()) {
        snprintf(why, sizeof why, "it was aborted in session %u", (unsigned)session->number);
        if (update_abandon(why)) {
            output_print(session, "aborted");
            return COMMAND_OK;
        }
        output_error(session, "everything has arrived already; in a moment 'update abort' takes it away");
        return COMMAND_FAILED;
    }
    other = 1 - (uint32_t)update_running();
    if (slots.slot[other].tries == 0 || slots.slot[other].successful) {
        output_error(session, "there is nothing to abort");
        return COMMAND_FAILED;
    }
    slots_close(&slots, other);
    snprintf(change.text, sizeof change.text, "slot %c does not boot any more", (int)('a' + other));
    return put(session, &slots);
}
COMMAND(update_abort, "update abort", "",
        "end the update that is under way, or take away the one that waits for its trial", run_abort, NULL);
