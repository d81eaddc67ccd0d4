/* SPDX-License-Identifier: Apache-2.0 */
/* console NAME, console list. */
#include <bulkhead/console.h>
#include <bulkhead/partition.h>
#include <mgmt/command.h>
#include <mgmt/console_attach.h>
#include <mgmt/console_attach_internal.h>
#include <mgmt/domain_names.h>
#include <mgmt/output.h>
#include <mgmt/platform.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Which one of its domain's consoles (0, 1, ...) a ring is. */
static unsigned number_in_domain(uint32_t console)
{
    unsigned before = 0;
    uint32_t n;

    for (n = 0; n < console; n++)
        before += console_owner[n] == console_owner[console];
    return before;
}

static void console_name(char *name, size_t size, uint32_t console)
{
    snprintf(name, size, "%s:%u", partitions[console_owner[console]].name, number_in_domain(console));
}

static enum output_step list_row(struct output_row *row, struct output_cursor *cursor)
{
    uint32_t console = (uint32_t)cursor->row;
    const struct byte_ring *ring = platform_console_ring(console);
    struct console_users users;
    char name[BULKHEAD_NAME_MAX + 8];

    if (console >= console_count || ring == NULL)
        return OUTPUT_END;
    users = console_attach_users(console);
    console_name(name, sizeof name, console);
    row_text(row, name);
    row_text(row, partitions[console_owner[console]].name);
    if (partitions[console_owner[console]].uart_console != console)
        row_text(row, "virtio");
    else
        row_text(row, console_owner[console] == 0 ? "log" : "uart");
    row_number(row, ring->head);
    row_number(row, users.readers);
    if (users.writer != 0)
        row_number(row, users.writer);
    else
        row_none(row);
    return OUTPUT_ROW;
}

static const struct output_column columns[] = {
    {"name", "NAME"},   {"domain", "DOMAIN"},   {"device", "DEVICE"},
    {"bytes", "BYTES"}, {"readers", "READERS"}, {"writer", "WRITER (SESSION)"},
};
static const struct output_section list_section = {
    .key = "consoles",
    .empty = "no consoles",
    .kind = OUTPUT_TABLE,
    .column = columns,
    .columns = sizeof columns / sizeof columns[0],
    .row = list_row,
};

static int run_list(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    (void)argument;
    output_section(session, &list_section, 0);
    return COMMAND_OK;
}
COMMAND(console_list, "console list", "[--json]", "the domains' consoles and who is attached", run_list, NULL);

/* The ring of NAME (its UART, or else its first one) or NAME:N; -1: none, which was said. */
static int find(struct session *session, const char *argument)
{
    size_t length = strcspn(argument, ":");
    int partition = domain_lookup(argument, (uint32_t)length);
    unsigned long number = 0;
    char *end = NULL;
    uint32_t n;
    unsigned last = 0;

    if (partition < 0) {
        domain_unknown(session, argument);
        return -1;
    }
    if (argument[length] == ':') {
        number = strtoul(argument + length + 1, &end, 10);
        if (end == argument + length + 1 || *end != 0 || argument[length + 1] < '0' || argument[length + 1] > '9') {
            output_error(session, "'%.40s': after the colon stands a number; 'console list' has them", argument);
            return -1;
        }
    } else if (partitions[partition].uart_console < console_count) {
        return partitions[partition].uart_console;
    }
    for (n = 0; n < console_count; n++) {
        if (console_owner[n] == partition && last++ == number)
            return (int)n;
    }
    if (last == 0)
        output_error(session, "domain %s has no console", partitions[partition].name);
    else
        output_error(session, "domain %s has no console %lu; it has 0 to %u", partitions[partition].name, number,
                     last - 1);
    return -1;
}

static int run_console(struct session *session, int arguments, char **argument)
{
    bool take = command_option(&arguments, argument, "--take");
    bool dump = command_option(&arguments, argument, "--dump");
    int console = find(session, argument[0]);

    if (console < 0)
        return COMMAND_FAILED;
    if (platform_console_ring((uint32_t)console) == NULL) {
        output_error(session, "the kernel gave no ring for console %s", argument[0]);
        return COMMAND_FAILED;
    }
    console_attach(session, (uint32_t)console, argument[0], dump ? CONSOLE_DUMP : take ? CONSOLE_TAKE : CONSOLE_ATTACH);
    return COMMAND_OK;
}

static const char *complete(int index, int n)
{
    static char name[BULKHEAD_NAME_MAX + 8];
    uint32_t console;

    if (index != 0)
        return NULL;
    if ((uint32_t)n < partition_count)
        return domain_name(n);
    for (console = 0, n -= (int)partition_count; console < console_count; console++) {
        if (number_in_domain(console) > 0 && n-- == 0) {
            console_name(name, sizeof name, console);
            return name;
        }
    }
    return NULL;
}
COMMAND(console, "console", "NAME[:N] [--take] [--dump]",
        "attach to a console; --take: write in another's place, --dump: print and end", run_console, complete);
