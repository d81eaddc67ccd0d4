/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell commands register themselves through a linker section, so adding one touches one file:
 *
 *     COMMAND(domain_list, "domain list", "[--json]", "list the domains and their states", run_domain_list);
 *
 * Output goes through output_*(), which serves tables and --json from the same calls (mgmt/output.h).
 */
#ifndef MGMT_COMMAND_H
#define MGMT_COMMAND_H

struct session;

struct command {
    const char *words;     /* "domain list" */
    const char *arguments; /* shown in help */
    const char *help;      /* one line */
    /* Returns the exit status: 0 done, 1 failed (said why through output_error), 2 wrong use. `argument` excludes words. */
    int (*run)(struct session *session, int arguments, char **argument);
    /* Completion of argument `index` (may be NULL): candidate `n`, or NULL after the last. */
    const char *(*complete)(int index, int n);
};

#define COMMAND(symbol, words_, arguments_, help_, run_, complete_)                                                     \
    __attribute__((used, section("commands"))) static const struct command command_##symbol = {                        \
        words_, arguments_, help_, run_, complete_}

extern const struct command __start_commands[], __stop_commands[];

#endif
