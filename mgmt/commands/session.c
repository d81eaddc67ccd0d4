/* SPDX-License-Identifier: Apache-2.0 */
/* help, session list, exit. */
#include <mgmt/command.h>
#include <mgmt/loop.h>
#include <mgmt/output.h>
#include <mgmt/session_internal.h>
#include <stdio.h>
#include <string.h>

static bool same_group(const char *a, const char *b)
{
    size_t length = strcspn(a, " ");

    return strcspn(b, " ") == length && strncmp(a, b, length) == 0;
}

/* argument: 0 everything, or a command of the group that is wanted. */
static enum output_step help_row(struct output_row *row, struct output_cursor *cursor)
{
    const char *group = (const char *)(uintptr_t)cursor->argument;
    const struct command *command;
    const char *json;
    int length;

    do {
        command = command_sorted((unsigned)cursor->position[0]++);
    } while (command != NULL && group != NULL && !same_group(group, command->words));
    if (command == NULL)
        return OUTPUT_END;
    /* Of --json the hint below speaks once for all. */
    json = strstr(command->arguments, "[--json]");
    length = json != NULL ? (int)(json - command->arguments) : (int)strlen(command->arguments);
    row_format(row, "%s %.*s", command->words, length, command->arguments);
    row_text(row, command->words);
    row_text(row, command->arguments);
    row_text(row, command->help);
    return OUTPUT_ROW;
}

static const struct output_column help_columns[] = {
    {NULL, "COMMAND"}, {"command", NULL}, {"arguments", NULL}, {"help", "WHAT IT DOES"}};
static const struct output_section help_section = {
    .key = "commands",
    .kind = OUTPUT_TABLE,
    .column = help_columns,
    .columns = sizeof help_columns / sizeof help_columns[0],
    .row = help_row,
};

static enum output_step hint_row(struct output_row *row, struct output_cursor *cursor)
{
    static const char *const hint[] = {
        "Tab completes, Up and Down go through earlier lines, Ctrl-C ends what runs, Ctrl-D logs out.",
        "Every listing takes --json. In a console, Ctrl-] comes back here.",
    };

    if (cursor->row >= sizeof hint / sizeof hint[0])
        return OUTPUT_END;
    row_text(row, hint[cursor->row]);
    return OUTPUT_ROW;
}

static const struct output_section hint_section = {.kind = OUTPUT_TEXT, .row = hint_row};

static const char *help_complete(int index, int n)
{
    static char word[32];
    const struct command *command, *previous = NULL;
    unsigned i;

    if (index != 0)
        return NULL;
    for (i = 0; (command = command_sorted(i)) != NULL; previous = command, i++) {
        if ((previous == NULL || !same_group(previous->words, command->words)) && n-- == 0) {
            snprintf(word, sizeof word, "%.*s", (int)strcspn(command->words, " "), command->words);
            return word;
        }
    }
    return NULL;
}

static const char *first_word(int n)
{
    return help_complete(0, n);
}

static int run_help(struct session *session, int arguments, char **argument)
{
    const struct command *command = NULL;
    const char *suggestion;
    unsigned n;

    for (n = 0; arguments > 0 && (command = command_sorted(n)) != NULL; n++) {
        if (same_group(argument[0], command->words) && strchr(argument[0], ' ') == NULL)
            break;
    }
    if (arguments > 0 && command == NULL) {
        suggestion = command_suggestion(argument[0], first_word);
        if (suggestion != NULL)
            output_error(session, "no command '%.40s'; did you mean 'help %s'?", argument[0], suggestion);
        else
            output_error(session, "no command '%.40s'; 'help' lists all", argument[0]);
        return COMMAND_FAILED;
    }
    output_section(session, &help_section, command != NULL ? (uintptr_t)command->words : 0);
    if (command == NULL && !output_json(session))
        output_section(session, &hint_section, 0);
    return COMMAND_OK;
}
COMMAND(help, "help", "[COMMAND]... [--json]", "the commands, or those that begin with COMMAND", run_help,
        help_complete);

/* session list */

static enum output_step session_row(struct output_row *row, struct output_cursor *cursor)
{
    struct session *session = session_next(NULL);
    uint64_t n;

    for (n = 0; session != NULL && n < cursor->row; n++)
        session = session_next(session);
    if (session == NULL)
        return OUTPUT_END;
    row_number(row, session->number);
    row_text(row, session->operations->name);
    row_text(row, session->mode == SESSION_COMMAND ? "command" : "shell");
    row_duration(row, time_ns() - session->opened_ns);
    row_text(row, session->activity != NULL ? session->activity->name : "prompt");
    return OUTPUT_ROW;
}

static const struct output_column session_columns[] = {
    {"session", "SESSION"}, {"from", "FROM"}, {"kind", "KIND"}, {"open_s", "OPEN FOR"}, {"doing", "DOING"}};
static const struct output_section session_section = {
    .key = "sessions",
    .kind = OUTPUT_TABLE,
    .column = session_columns,
    .columns = sizeof session_columns / sizeof session_columns[0],
    .row = session_row,
};

static int run_list(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    (void)argument;
    output_section(session, &session_section, 0);
    return COMMAND_OK;
}
COMMAND(session_list, "session list", "[--json]", "who is here", run_list, NULL);

static int run_exit(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    (void)argument;
    output_print(session, "Bye.");
    session_close(session);
    return COMMAND_OK;
}
COMMAND(exit, "exit", "", "end this session", run_exit, NULL);
