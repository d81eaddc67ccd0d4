/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell commands register themselves through a linker section, so adding one touches one file:
 *
 *     COMMAND(domain_list, "domain list", "[--json]", "the domains and their states", run_domain_list, NULL);
 *
 * Output goes through output_*(), which serves tables and --json from the same calls (mgmt/output.h).
 */
#ifndef MGMT_COMMAND_H
#define MGMT_COMMAND_H

#include <mgmt/line_editor.h>
#include <stdbool.h>
#include <stddef.h>

struct session;

struct command {
    const char *words; /* "domain list" */
    /* Shown in help, and checked before run(): NAME must be given, [NAME] may be, [NAME]... any number; [--option] may
     * be given anywhere, and what is not named here is refused. --json is taken out and kept by the session. */
    const char *arguments;
    const char *help; /* one line */
    /* Returns the exit status: 0 done, 1 failed (said why through output_error), 2 wrong use. `argument` excludes words
     * and --json; other options stand in it, command_option() takes them out. Prints little itself (output.h). */
    int (*run)(struct session *session, int arguments, char **argument);
    /* Completion of argument `index` (may be NULL): candidate `n`, or NULL after the last. */
    const char *(*complete)(int index, int n);
};

#define COMMAND(symbol, words_, arguments_, help_, run_, complete_)                                                    \
    __attribute__((used, section("commands"),                                                                          \
                   aligned(__alignof__(struct command)))) static const struct command command_##symbol = {             \
        words_, arguments_, help_, run_, complete_}

extern const struct command __start_commands[], __stop_commands[];

#define COMMAND_OK 0
#define COMMAND_FAILED 1
#define COMMAND_WRONG_USE 2

/* A line split into words: 'single quotes' keep everything, "double quotes" and a backslash keep what they enclose. */
#define COMMAND_WORDS_MAX 32
struct command_line {
    char *word[COMMAND_WORDS_MAX + 1];
    int words;
    char storage[LINE_MAX_BYTES + COMMAND_WORDS_MAX + 1];
};
/* False: `error` says what is wrong and where. */
bool command_parse(const char *line, struct command_line *parsed, char *error, size_t error_size);

/* Runs a line in a session: 0, or what went wrong, which has been said. An empty line is 0. */
int command_run(struct session *session, const char *line);

/* Command `n` in alphabetical order, or NULL. */
const struct command *command_sorted(unsigned n);

/* Takes an option such as "--take" out of the arguments; true: it was there. */
bool command_option(int *arguments, char **argument, const char *option);

/* Calls each() for everything that could stand at the end of `line`, and says how many bytes of it are there already.
 */
size_t command_complete(const char *line, void (*each)(void *owner, const char *candidate), void *owner);

/* How many letters differ (Damerau-Levenshtein), at most 9; for suggestions. */
unsigned command_distance(const char *a, const char *b);
/* The candidate (candidate(0), (1), ... NULL) that `word` was probably meant to be, or NULL. */
const char *command_suggestion(const char *word, const char *(*candidate)(int n));

#endif
