/* SPDX-License-Identifier: Apache-2.0 */
/* state, state set, state receive, state remove, factory-reset. */
#include <mgmt/bulkhead_log.h>
#include <mgmt/command.h>
#include <mgmt/output.h>
#include <mgmt/session_internal.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage/state_partition.h>
#include <string.h>

static enum output_step store_row(struct output_row *row, struct output_cursor *cursor)
{
    const struct state *store = state_store();

    if (cursor->row > 0)
        return OUTPUT_END;
    row_text(row, state_store_status());
    if (store == NULL) {
        for (uint32_t i = 0; i < 7; i++)
            row_none(row);
        return OUTPUT_ROW;
    }
    row_text(row, store->disk->name);
    row_number(row, store->sequence);
    row_size(row, store->length);
    row_number(row, store->commits);
    row_number(row, store->failed_commits);
    row_number(row, store->bank_errors);
    row_number(row, store->healed);
    return OUTPUT_ROW;
}

static const struct output_column store_columns[] = {
    {"status", "status"},
    {"disk", "on"},
    {"sequence", "version"},
    {"bytes", "size"},
    {"commits", "stored since start"},
    {"failed_commits", "of them failed"},
    {"bank_errors", "errors of the disk"},
    {"healed", "banks repaired"},
};
static const struct output_section store_section = {
    .key = "store",
    .kind = OUTPUT_RECORD,
    .column = store_columns,
    .columns = sizeof store_columns / sizeof store_columns[0],
    .row = store_row,
};

static enum output_step slot_row(struct output_row *row, struct output_cursor *cursor)
{
    struct slots slots;
    const struct slot *slot;
    uint32_t index = (uint32_t)cursor->row;

    if (!slots_get(&slots) || index >= SLOTS)
        return OUTPUT_END;
    slot = &slots.slot[index];
    row_format(row, "%c", (int)('a' + index));
    row_text(row, slot->corrupted || slot->tries == 0 ? "does not boot" : slot->successful ? "confirmed" : "on trial");
    row_flag(row, slots_next(&slots) == (int)index);
    row_flag(row, slots.last == (int)index);
    row_number(row, slot->priority);
    row_number(row, slot->tries);
    return OUTPUT_ROW;
}

static const struct output_column slot_columns[] = {
    {"slot", "SLOT"}, {"state", "STATE"},       {"next", "NEXT"},
    {"last", "LAST"}, {"priority", "PRIORITY"}, {"tries", "TRIES"},
};
static const struct output_section slot_section = {
    .key = "slots",
    .title = "Boot slots",
    .empty = "no slot record",
    .kind = OUTPUT_TABLE,
    .column = slot_columns,
    .columns = sizeof slot_columns / sizeof slot_columns[0],
    .row = slot_row,
};

static bool ends(const struct state_value *value, const char *word)
{
    size_t length = strlen(word);

    return value->name_length >= length && memcmp(value->name + value->name_length - length, word, length) == 0;
}

/* What no listing shows. */
static bool is_secret(const struct state_value *value)
{
    return ends(value, "key") || ends(value, "password");
}

/* position[0]: where the next value begins; position[1]: the version that is listed, since it may change meanwhile. */
static enum output_step value_row(struct output_row *row, struct output_cursor *cursor)
{
    const struct state *store = state_store();
    struct state_value value;
    uint32_t at = (uint32_t)cursor->position[0];

    if (cursor->row == 0 && store != NULL)
        cursor->position[1] = store->sequence;
    if (store == NULL || cursor->position[1] != store->sequence ||
        !state_value_next(store->values, store->length, &at, &value))
        return OUTPUT_END;
    cursor->position[0] = at;
    row_bytes_text(row, value.name, value.name_length);
    if (is_secret(&value))
        row_text(row, "(not shown)");
    else
        row_bytes_text(row, (const char *)value.data, value.length < 200 ? value.length : 200);
    row_number(row, value.length);
    row_flag(row, value.flags & STATE_KEPT);
    return OUTPUT_ROW;
}

static const struct output_column value_columns[] = {
    {"name", "NAME"}, {"value", "VALUE"}, {"bytes", "BYTES"}, {"kept", "KEPT"}};
static const struct output_section value_section = {
    .key = "values",
    .title = "Values",
    .empty = "no values",
    .kind = OUTPUT_TABLE,
    .column = value_columns,
    .columns = sizeof value_columns / sizeof value_columns[0],
    .row = value_row,
};

static int run_state(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    (void)argument;
    output_section(session, &store_section, 0);
    output_section(session, &slot_section, 0);
    output_section(session, &value_section, 0);
    return COMMAND_OK;
}
COMMAND(state, "state", "[--json]", "boot slots, and what is kept on the disk besides the guests' data", run_state,
        NULL);

static struct state *store_for(struct session *session)
{
    struct state *store = state_store();

    if (store == NULL)
        output_error(session, "nothing can be kept: %s", state_store_status());
    return store;
}

/* What only updates and the like may change. */
static bool is_ours(struct session *session, const struct state *store, const char *name)
{
    struct state_value value;
    bool ours = state_get(store, name, &value) && value.flags & STATE_KEPT;

    if (ours)
        output_error(session, "'%s' is kept by the appliance itself and not for operators", name);
    return ours;
}

static int stored(struct session *session, const char *what)
{
    state_store_commit();
    output_print(session, "%s; it is stored when 'state' says so", what);
    return COMMAND_OK;
}

static int set(struct session *session, struct state *store, const char *name, const void *data, size_t size)
{
    switch (state_set(store, name, 0, data, size)) {
    case STATE_SET:
        return stored(session, "set");
    case STATE_SET_BAD_NAME:
        output_error(session, "'%s' is no name: use a-z, 0-9, '.' and '-', at most %u characters", name,
                     STATE_NAME_MAX);
        return COMMAND_FAILED;
    case STATE_SET_TOO_LONG:
        output_error(session, "the value is too long; at most %u bytes are possible", STATE_VALUE_MAX);
        return COMMAND_FAILED;
    default:
        output_error(session, "there is no room left: all values together have at most %u bytes", STATE_VALUES_BYTES);
        return COMMAND_FAILED;
    }
}

static int run_set(struct session *session, int arguments, char **argument)
{
    struct state *store = store_for(session);

    (void)arguments;
    if (store == NULL || is_ours(session, store, argument[0]))
        return COMMAND_FAILED;
    return set(session, store, argument[0], argument[1], strlen(argument[1]));
}
COMMAND(state_set, "state set", "NAME VALUE", "keep a value on the disk; bhctl takes it from a file for @FILE", run_set,
        NULL);

/* A file's bytes, from bhctl: one at a time. */
static struct {
    struct session *session;
    char name[STATE_NAME_MAX + 1];
    uint32_t size, length;
    uint8_t data[STATE_VALUE_MAX];
} arriving;

static size_t receive_input(struct session *session, const uint8_t *data, size_t length)
{
    size_t taken = arriving.size - arriving.length;

    taken = taken < length ? taken : length;
    memcpy(arriving.data + arriving.length, data, taken);
    arriving.length += (uint32_t)taken;
    if (arriving.length == arriving.size)
        session_wake(session);
    return length;
}

static enum activity_progress receive_produce(struct session *session)
{
    struct state *store;

    if (arriving.length < arriving.size)
        return ACTIVITY_WAIT;
    store = store_for(session);
    session->status =
        store == NULL ? COMMAND_FAILED : set(session, store, arriving.name, arriving.data, arriving.length);
    return ACTIVITY_DONE;
}

static void receive_end(struct session *session)
{
    (void)session;
    arriving.session = NULL;
    memset(arriving.data, 0, sizeof arriving.data);
}

static const struct activity receive_activity = {
    .name = "state receive",
    .produce = receive_produce,
    .input = receive_input,
    .end = receive_end,
};

static int run_receive(struct session *session, int arguments, char **argument)
{
    struct state *store = store_for(session);
    char *end;
    unsigned long size = strtoul(argument[1], &end, 10);

    (void)arguments;
    if (store == NULL || is_ours(session, store, argument[0]))
        return COMMAND_FAILED;
    if (session->mode != SESSION_COMMAND || *end != 0 || strlen(argument[0]) > STATE_NAME_MAX) {
        output_error(session, "this is for bhctl: `bhctl HOST state set NAME @FILE` sends a file");
        return COMMAND_FAILED;
    }
    if (size > STATE_VALUE_MAX) {
        output_error(session, "the value is too long; at most %u bytes are possible", STATE_VALUE_MAX);
        return COMMAND_FAILED;
    }
    if (arriving.session != NULL) {
        output_error(session, "another value is arriving; try again");
        return COMMAND_FAILED;
    }
    arriving.session = session;
    snprintf(arriving.name, sizeof arriving.name, "%s", argument[0]);
    arriving.size = (uint32_t)size;
    arriving.length = 0;
    session_start_activity(session, &receive_activity, NULL);
    return COMMAND_OK;
}
COMMAND(state_receive, "state receive", "NAME BYTES",
        "keep a value that follows (for `bhctl HOST state set NAME @FILE`)", run_receive, NULL);

static int run_remove(struct session *session, int arguments, char **argument)
{
    struct state *store = store_for(session);

    (void)arguments;
    if (store == NULL || is_ours(session, store, argument[0]))
        return COMMAND_FAILED;
    if (!state_remove(store, argument[0])) {
        output_error(session, "there is no value '%s'; 'state' lists them", argument[0]);
        return COMMAND_FAILED;
    }
    return stored(session, "removed");
}
COMMAND(state_remove, "state remove", "NAME", "remove a value that is kept on the disk", run_remove, NULL);

static int run_factory_reset(struct session *session, int arguments, char **argument)
{
    struct state *store = store_for(session);
    char text[80];

    if (store == NULL)
        return COMMAND_FAILED;
    if (!command_option(&arguments, argument, "--yes")) {
        output_error(session,
                     "this removes every value that 'state' lists as not kept, for good; the guests' data stay. "
                     "'factory-reset --yes' does it");
        return COMMAND_FAILED;
    }
    state_reset(store);
    snprintf(text, sizeof text, "factory reset: asked for in session %u", (unsigned)session->number);
    bulkhead_log("%s", text);
    session_notice_all(text);
    return stored(session, "all values are removed");
}
COMMAND(factory_reset, "factory-reset", "[--yes]", "remove what operators changed at run time", run_factory_reset,
        NULL);
