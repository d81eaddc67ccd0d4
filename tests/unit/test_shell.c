// SPDX-License-Identifier: Apache-2.0
/* Issue 2, point 13: the shell's sessions and commands, on the fake appliance. */
#include <mgmt/command.h>
#include <mgmt/output.h>
#include <mgmt/session_internal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage/state_partition.h>
#include <string.h>

#include <cmocka.h>

#include "fake_appliance.h"
#include "json_reader.h"

static struct fake_transport shell;

static int setup(void **state)
{
    (void)state;
    fake_reset();
    fake_open(&shell, SESSION_INTERACTIVE);
    fake_taken(&shell);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_close(&shell);
    return 0;
}

/* Types a line; its output without echo, prompt and carriage returns. */
static const char *run(const char *line)
{
    static char text[1 << 20];
    const char *taken;
    size_t length = 0;

    fake_type(&shell, line);
    fake_type(&shell, "\r");
    taken = fake_taken(&shell);
    assert_true(strncmp(taken, line, strlen(line)) == 0);
    for (taken += strlen(line) + 2; *taken != 0; taken++) {
        if (*taken != '\r')
            text[length++] = *taken;
    }
    text[length] = 0;
    assert_true(length >= 8 && strcmp(text + length - 8, "edge-1> ") == 0);
    text[length - 8] = 0;
    return text;
}

#define assert_has(text, part)                                                                                         \
    do {                                                                                                               \
        const char *got = text;                                                                                        \
        if (strstr(got, part) == NULL)                                                                                 \
            fail_msg("wanted \"%s\" in \"%s\"", part, got);                                                            \
    } while (0)

static void banner_and_prompt(void **state)
{
    struct fake_transport second;
    const char *text;

    (void)state;
    fake_open(&second, SESSION_INTERACTIVE);
    text = fake_taken(&second);
    assert_has(text, "edge-1: Bulkhead 0.2-test, 3 domains on 4 CPUs.");
    assert_has(text, "'help'");
    assert_has(text, "Warning: development certificates");
    assert_has(text, "\r\nedge-1> ");
    fake_close(&second);
}

static void words_and_quotes(void **state)
{
    struct command_line parsed;
    char error[80];

    (void)state;
    assert_true(command_parse("  a 'b c'  \"d \\\" e\" f\\ g h'i'j '' ", &parsed, error, sizeof error));
    assert_int_equal(parsed.words, 6);
    assert_string_equal(parsed.word[0], "a");
    assert_string_equal(parsed.word[1], "b c");
    assert_string_equal(parsed.word[2], "d \" e");
    assert_string_equal(parsed.word[3], "f g");
    assert_string_equal(parsed.word[4], "hij");
    assert_string_equal(parsed.word[5], "");
    assert_null(parsed.word[6]);
    assert_false(command_parse("a 'b", &parsed, error, sizeof error));
    assert_string_equal(error, "the quote ' at column 3 is not closed");
    assert_false(command_parse("a\\", &parsed, error, sizeof error));
    assert_false(command_parse("1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3", &parsed, error,
                               sizeof error));
    assert_string_equal(error, "more than 32 words");
}

static void mistakes_are_answered_with_what_would_be_right(void **state)
{
    (void)state;
    assert_string_equal(run("domian list"), "no command 'domian'; did you mean 'domain'? 'help' lists all\n");
    assert_string_equal(run("domain lst"), "no command 'domain lst'; did you mean 'domain list'?\n");
    assert_string_equal(run("domain"), "'domain' needs one of: list, restart, show, start, stop\n");
    assert_string_equal(
        run("domain frobnicate"),
        "no command 'domain frobnicate'; after 'domain' stands one of: list, restart, show, start, stop\n");
    assert_string_equal(run("domain show"), "'domain show' needs NAME; usage: domain show NAME [--json]\n");
    assert_string_equal(run("domain show linx1"),
                        "no domain 'linx1'; did you mean 'linux1'? domains: mgmt, linux1, linux2\n");
    assert_string_equal(run("domain show zebra"), "no domain 'zebra'; domains: mgmt, linux1, linux2\n");
    assert_string_equal(run("domain list --jsn"), "'domain list' has no option --jsn; usage: domain list [--json]\n");
    assert_string_equal(run("domain list all"), "'all' is too much for 'domain list'; usage: domain list [--json]\n");
}

static void distances(void **state)
{
    (void)state;
    assert_int_equal(command_distance("linux1", "linux1"), 0);
    assert_int_equal(command_distance("linx1", "linux1"), 1);
    assert_int_equal(command_distance("domian", "domain"), 1);
    assert_int_equal(command_distance("", "abc"), 3);
    assert_int_equal(command_distance("kitten", "sitting"), 3);
    assert_int_equal(command_distance("a-word-that-is-far-too-long-for-a-name", "abc"), 9);
}

/* Every listing, as people and as programs get it. */
static void every_listing_is_valid_json(void **state)
{
    static const char *const listing[] = {
        "domain list", "domain show linux1",  "console list", "net",          "net ports", "net addresses", "disk",
        "log",         "log events",          "metrics",      "session list", "version",   "uptime",        "help",
        "device list", "device show 00:04.0", "state", "slots", "update",
    };

    (void)state;
    fake_log_write("a line with \"quotes\", a \\ and \x01\x1b[31m bytes\xff\n");
    for (unsigned i = 0; i < sizeof listing / sizeof listing[0]; i++) {
        char line[64];
        const char *text;

        assert_true(strlen(run(listing[i])) > 10);
        snprintf(line, sizeof line, "%s --json", listing[i]);
        text = run(line);
        if (!json_valid(text))
            fail_msg("%s is not JSON:\n%s", line, text);
        snprintf(line, sizeof line, "--json %s", listing[i]);
    }
}

static void values_are_set_listed_and_reset(void **state)
{
    const char *text;

    (void)state;
    assert_int_equal(state_set(state_store(), "rollback", STATE_KEPT, "7", 1), STATE_SET);
    assert_non_null(strstr(run("state set address 10.0.0.1/24"), "set"));
    run("state set note 'two words'");
    text = run("state --json");
    assert_string_equal(json_get(text, "store.status"), "stored");
    assert_string_equal(json_get(text, "slots.0.state"), "confirmed");
    assert_string_equal(json_get(text, "slots.1.state"), "on trial");
    assert_string_equal(json_get(text, "slots.1.next"), "true");
    assert_int_equal(json_count(text, "values"), 3);
    assert_string_equal(json_get(text, "values.0.value"), "10.0.0.1/24");
    assert_string_equal(json_get(text, "values.1.value"), "two words");
    assert_string_equal(json_get(text, "values.2.kept"), "true");
    run("state set a.key secret");
    assert_string_equal(json_get(run("state --json"), "values.0.value"), "(not shown)");
    run("state remove a.key");
    assert_non_null(strstr(run("state receive a 3"), "this is for bhctl"));
    assert_non_null(strstr(run("state set A 1"), "is no name"));
    assert_non_null(strstr(run("state set rollback 1"), "kept by the appliance itself"));
    assert_non_null(strstr(run("state remove rollback"), "kept by the appliance itself"));
    assert_non_null(strstr(run("state remove nothing"), "there is no value"));
    assert_non_null(strstr(run("state remove note"), "removed"));
    assert_non_null(strstr(run("factory-reset"), "--yes"));
    assert_int_equal(json_count(run("state --json"), "values"), 2);
    run("factory-reset --yes");
    assert_int_equal(json_count(run("state --json"), "values"), 1);
    fake_no_state = true;
    assert_non_null(strstr(run("state"), "no disk has a partition"));
    assert_non_null(strstr(run("state set a 1"), "nothing can be kept"));
    assert_non_null(strstr(run("factory-reset --yes"), "nothing can be kept"));
    fake_no_state = false;
}

static void the_hardware_watchdog(void **state)
{
    const char *text = run("watchdog --json");

    (void)state;
    assert_string_equal(json_get(text, "state"), "runs");
    assert_string_equal(json_get(text, "fed"), "7");
    assert_string_equal(json_get(text, "has_reset"), "true");
    fake_watchdog = false;
    assert_non_null(strstr(run("watchdog"), "there is none"));
    fake_watchdog = true;
}

/* Typed where it is not shown. */
static const char *answer(struct fake_transport *transport, const char *text)
{
    fake_type(transport, text);
    fake_type(transport, "\r");
    if (fake_work != NULL)
        fake_work_do();
    fake_run(0);
    return fake_taken(transport);
}

static void the_serial_console_asks_for_its_password(void **state)
{
    struct fake_transport serial;
    const char *text;

    (void)state;
    assert_has(answer(&shell, "passwd"), "New password");
    assert_has(answer(&shell, "one"), "Once more: ");
    assert_has(answer(&shell, "another"), "not changed: the two differ");
    assert_has(run("passwd remove"), "has no password");
    answer(&shell, "passwd");
    answer(&shell, "secr\x08rets");
    text = answer(&shell, "secrets");
    assert_has(text, "changed; it is stored");
    assert_null(strstr(text, "secr"));
    assert_has(run("state"), "(not shown)");

    fake_open_serial(&serial);
    fake_run(30 * FAKE_S);
    text = fake_taken(&serial);
    assert_has(text, "Password: ");
    assert_null(strstr(text, "edge-1> "));
    assert_has(answer(&serial, "wrong"), "Wrong.");
    assert_string_equal(answer(&serial, "secrets"), ""); /* nobody reads it */
    fake_close(&serial);
    fake_open_serial(&serial); /* does not shorten the pause */
    assert_null(strstr(fake_taken(&serial), "Password: "));
    fake_run(30 * FAKE_S);
    assert_has(fake_taken(&serial), "Password: ");
    session_notice_all("a notice");
    assert_string_equal(fake_taken(&serial), "");
    assert_has(answer(&serial, "secrets"), "a notice\r\nedge-1> ");
    fake_close(&serial);

    fake_open_serial(&serial);
    fake_run(30 * FAKE_S);
    fake_type(&serial, "secrets\r");
    fake_close(&serial); /* while it is hashed */
    fake_work_do();
    fake_taken(&shell); /* the notice */
    assert_has(run("passwd remove"), "removed");
    fake_open_serial(&serial);
    fake_run(30 * FAKE_S);
    assert_has(fake_taken(&serial), "edge-1> ");
    fake_close(&serial);
}

static void updates_by_command(void **state)
{
    const char *text;

    (void)state;
    text = run("slots --json");
    assert_string_equal(json_get(text, "0.state"), "confirmed");
    assert_string_equal(json_get(text, "0.runs"), "true");
    assert_string_equal(json_get(text, "1.state"), "waits for its trial boot");
    assert_string_equal(json_get(text, "1.release"), "0.3");
    assert_string_equal(json_get(run("update --json"), "update"), "none");
    assert_non_null(strstr(run("update receive"), "this is for bhctl"));
    assert_non_null(strstr(run("update confirm"), "nothing is on trial"));
    assert_non_null(strstr(run("update rollback"), "slot b holds nothing that ran before; 'update abort' takes away"));
    assert_non_null(strstr(run("update abort"), "slot b does not boot any more"));
    assert_true(fake_put.slot[1].tries == 0 && fake_put.slot[0].successful);
    fake_trial = TRIAL_ON;
    assert_non_null(strstr(run("update confirm"), "the trial is confirmed in a moment"));
    assert_non_null(strstr(run("update"), "linux1 does not run"));
    fake_trial = TRIAL_NONE;
    fake_no_state = true;
    assert_non_null(strstr(run("update abort"), "this appliance has no boot slots"));
    assert_non_null(strstr(run("slots"), "this appliance has no boot slots"));
    fake_no_state = false;
}

static void json_says_the_same_as_the_table(void **state)
{
    const char *text;

    (void)state;
    fake_stop(2, DOMAIN_CRASHED, CAUSE_BAD_ACCESS, 0xdead0000);
    fake_taken(&shell);
    text = run("domain list --json");
    assert_int_equal(json_count(text, ""), 3);
    assert_string_equal(json_get(text, "1.name"), "linux1");
    assert_string_equal(json_get(text, "1.state"), "running");
    assert_string_equal(json_get(text, "1.vcpus"), "2");
    assert_string_equal(json_get(text, "1.cause"), "null");
    assert_string_equal(json_get(text, "2.state"), "crashed");
    assert_string_equal(json_get(text, "2.crashes"), "1");
    assert_string_equal(json_get(text, "2.supervision"), "given up");
    text = run("domain show linux1 --json");
    assert_string_equal(json_get(text, "domain.command_line"), "console=ttyAMA0 name=\"quoted\\\" path\"");
    assert_int_equal(json_count(text, "vcpus"), 2);
    assert_string_equal(json_get(text, "vcpus.0.online"), "false");
    text = run("domain show linux2 --json");
    assert_string_equal(json_get(text, "domain.detail"), "0xdead0000");
    assert_string_equal(json_get(text, "events.1.kind"), "crash");
    assert_has(run("domain list"), "linux2  crashed  3     512 MiB  -            1        1  ");
}

static void devices_are_listed_with_owner_and_faults(void **state)
{
    const char *text;

    (void)state;
    text = run("device list");
    assert_has(text, "00:00.0  8086:29c0  host bridge            -       unused   no");
    assert_has(text, "00:04.0  8086:10d3  NIC                    linux1  owned    yes            12       2       3");
    assert_has(text, "02:10.0  8086:10ca  NIC, virtual function  linux2  refused  no");
    text = run("device list --json");
    assert_int_equal(json_count(text, ""), 3);
    assert_string_equal(json_get(text, "1.faults"), "3");
    text = run("device show 00:04.0");
    assert_has(text, "VT-d\n");
    assert_has(text, "function-level reset\n");
    assert_has(text, "0xdead0000\n");
    assert_string_equal(json_get(run("device show 0000:02:10.0 --json"), "reset"), "unknown");
    assert_string_equal(run("device show 00:05.0"),
                        "no PCI function '00:05.0'; 'device list' shows those that there are, such as 00:03.0\n");
    assert_has(run("metrics"), "bulkhead_device_faults_total{device=\"00:04.0\",domain=\"linux1\"} 3\n");
    assert_has(run("metrics"), "bulkhead_interrupts_held_back_total{interrupt=\"33\",device=\"serial line\"} 7\n");
    fake_status.devices = 0;
    assert_string_equal(run("device list"), "the kernel found no PCI functions\n");
    fake_status.devices = UINT32_MAX; /* as much as there is room for */
    assert_int_equal(json_count(run("device list --json"), ""), BULKHEAD_DEVICES_MAX);
}

static void a_log_line_cannot_drive_the_terminal(void **state)
{
    const char *text;

    (void)state;
    fake_log_write("evil \x1b[2J\x07\xc2\x9b text\r\n");
    assert_string_equal(run("log"), "evil ?[2J?? text\n");
    text = run("log --json");
    assert_string_equal(json_get(text, "0"), "evil \x1b[2J\x07\xc2\x9b text");
}

static void log_begins_with_a_whole_line_and_keeps_long_ones(void **state)
{
    char line[701];
    const char *text;

    (void)state;
    for (int i = 0; i < 500; i++) {
        snprintf(line, sizeof line, "line number %d\n", i);
        fake_log_write(line);
    }
    text = run("log");
    assert_true(strncmp(text, "line number ", 12) == 0);
    assert_has(text, "line number 499\n");
    memset(line, 'x', 700);
    line[700] = 0;
    fake_log_write(line);
    fake_log_write("\nend\n");
    text = run("log");
    assert_has(text, "xxx\nend\n");
}

static void following_the_log(void **state)
{
    const char *text;

    (void)state;
    fake_log_write("one\n");
    fake_type(&shell, "log --follow\r");
    assert_has(fake_taken(&shell), "one\r\n");
    fake_log_write("two\nhal");
    fake_run(0);
    text = fake_taken(&shell);
    assert_string_equal(text, "two\r\n");
    fake_log_write("f\n");
    fake_run(0);
    assert_string_equal(fake_taken(&shell), "half\r\n");
    fake_type(&shell, "version\r"); /* waits */
    assert_string_equal(fake_taken(&shell), "");
    fake_type(&shell, "\x03");
    assert_string_equal(fake_taken(&shell), "^C\r\nedge-1> ");
    assert_has(run("log --follow --json"), "never ends");
}

/* Output that is larger than everything in its way. */
static void long_output_waits_for_the_transport(void **state)
{
    static char first[1 << 20];
    size_t length = 0, turns = 0;

    (void)state;
    fake_crowd = true;
    snprintf(first, sizeof first, "%s", run("net addresses --json"));
    assert_int_equal(json_count(first, ""), 512);
    shell.room = 0;
    fake_type(&shell, "net addresses --json\r");
    fake_type(&shell, "version\r");
    assert_int_equal(shell.length, 0);
    for (; turns < 100000 && strstr(shell.text, "hypercall ABI") == NULL; turns++) {
        shell.room = 333;
        session_writable(shell.session);
        fake_run(0);
        length = shell.length;
    }
    assert_true(length > 30000);
    shell.room = SIZE_MAX;
    session_writable(shell.session);
    {
        const char *begin = strstr(shell.text, "["), *end = strstr(shell.text, "]\r\n");
        char *text = strndup(begin, (size_t)(end + 1 - begin));

        assert_int_equal(json_count(text, ""), 512);
        free(text);
    }
    fake_taken(&shell);
}

static void input_waits_for_a_busy_session(void **state)
{
    char line[3000];
    size_t taken;

    (void)state;
    shell.room = 0;
    fake_type(&shell, "metrics\r");
    memset(line, ' ', sizeof line);
    memcpy(line + sizeof line - 8, "version\r", 8);
    taken = session_receive(shell.session, line, sizeof line);
    assert_true(taken < sizeof line && taken <= SESSION_TYPED_AHEAD);
    fake_run(FAKE_S);
    assert_int_equal(shell.resumes, 0);
    shell.room = SIZE_MAX;
    session_writable(shell.session);
    fake_run(0);
    assert_int_equal(shell.resumes, 1);
    taken += session_receive(shell.session, line + taken, sizeof line - taken);
    fake_run(0);
    assert_int_equal(taken, sizeof line);
    assert_has(fake_taken(&shell), "bulkhead_tls_broken_total");
    (void)run("version"); /* still answers; the long line of blanks was too long and rang the bell */
}

static void notices_do_not_disturb(void **state)
{
    const char *text;

    (void)state;
    fake_type(&shell, "domain li");
    session_notice_all("something happened");
    assert_has(fake_taken(&shell), "\r\x1b[Ksomething happened\r\nedge-1> domain li");
    fake_type(&shell, "st\r");
    text = fake_taken(&shell);
    assert_true(strncmp(text, "st\r\nNAME", 8) == 0);
    fake_type(&shell, "log --follow\r");
    session_notice_all("later");
    fake_type(&shell, "\x03");
    assert_has(fake_taken(&shell), "^C\r\nlater\r\nedge-1> ");
}

static void completion(void **state)
{
    (void)state;
    fake_type(&shell, "dom\t");
    assert_string_equal(fake_taken(&shell), "domain ");
    fake_type(&shell, "st\t");
    assert_string_equal(fake_taken(&shell), "st\r\nstart  stop  \r\nedge-1> domain st");
    fake_type(&shell, "op l\t");
    assert_string_equal(fake_taken(&shell), "op linux");
    fake_type(&shell, "2\t\x15");
    fake_taken(&shell);
    fake_type(&shell, "console linux1 --t\t");
    assert_has(fake_taken(&shell), "console linux1 --take ");
    fake_type(&shell, "\x15");
    fake_type(&shell, "xyzzy\t");
    assert_has(fake_taken(&shell), "\a");
    fake_type(&shell, "\x15log --f\t");
    assert_has(fake_taken(&shell), "log --follow ");
}

static void domain_commands(void **state)
{
    (void)state;
    assert_string_equal(run("domain stop linux1"), "domain linux1: stopping\ndomain linux1: stopped on request\n");
    assert_string_equal(run("domain stop linux1"), "domain linux1 is stopped already\n");
    assert_string_equal(run("domain start linux1"), "domain linux1: starting\n");
    assert_string_equal(run("domain start linux1"), "domain linux1 is running already\n");
    assert_has(run("domain restart linux2"), "domain linux2: restarting\n");
    assert_has(run("domain restart mgmt"), "management domain");
    assert_int_equal(fake_control_count, 3);
    fake_status.domain[2].state = DOMAIN_ABSENT;
    assert_has(run("domain start linux2"), "lacks its CPUs or memory");
}

static void reboot_and_poweroff(void **state)
{
    (void)state;
    assert_has(run("reboot"), "the appliance reboots: asked for in session ");
    assert_int_equal(fake_resets, 0); /* the answer goes out first */
    fake_run(FAKE_S);
    assert_int_equal(fake_resets, 1);
    assert_has(run("poweroff"), "powers off");
    fake_run(FAKE_S);
    assert_int_equal(fake_power_offs, 1);
}

static void leaving(void **state)
{
    (void)state;
    fake_type(&shell, "\x04");
    assert_has(fake_taken(&shell), "Bye.\r\n");
    assert_int_equal(shell.closes, 1);
    fake_type(&shell, "version\r"); /* nobody listens any more */
    assert_string_equal(fake_taken(&shell), "");
    assert_int_equal(shell.closes, 1);
}

static void metrics_are_prometheus_text(void **state)
{
    char *text, *line, *next;
    const char *json;
    unsigned samples = 0;

    (void)state;
    fake_status.domain[1].vcpu[1].exits[EXIT_TIMER] = 4711;
    text = strdup(run("metrics"));
    assert_has(text, "# TYPE bulkhead_vcpu_exits_total counter\n");
    assert_has(text, "# TYPE bulkhead_sessions gauge\nbulkhead_sessions 1\n");
    assert_has(text, "bulkhead_vcpu_exits_total{domain=\"linux1\",vcpu=\"1\",kind=\"timer\"} 4711\n");
    for (line = text; *line != 0; line = next + 1) {
        next = strchr(line, '\n');
        assert_non_null(next);
        *next = 0;
        if (line[0] == '#')
            continue;
        assert_true(strncmp(line, "bulkhead_", 9) == 0);
        assert_non_null(strrchr(line, ' '));
        samples++;
    }
    json = run("metrics --json");
    assert_int_equal(json_count(json, ""), samples);
    free(text);
}

static void many_sessions(void **state)
{
    struct fake_transport more[SESSIONS_MAX];
    unsigned n;

    (void)state;
    for (n = 0; n < SESSIONS_MAX; n++)
        fake_open(&more[n], SESSION_INTERACTIVE);
    assert_null(more[SESSIONS_MAX - 1].session); /* `shell` has a place */
    assert_int_equal(json_count(run("session list --json"), ""), SESSIONS_MAX);
    for (n = 0; n < SESSIONS_MAX; n++)
        fake_close(&more[n]);
    assert_int_equal(json_count(run("session list --json"), ""), 1);
}

/* tools/bhctl's protocol. */

static unsigned frame(const uint8_t **at, const uint8_t *end, const uint8_t **data, uint32_t *length)
{
    const uint8_t *header = *at;

    if (end - header < 5)
        return 0;
    *length = (uint32_t)header[1] << 24 | (uint32_t)header[2] << 16 | (uint32_t)header[3] << 8 | header[4];
    assert_true(*length > 0 && *length <= (size_t)(end - header) - 5);
    *data = header + 5;
    *at = header + 5 + *length;
    return header[0];
}

/* Runs a command in pieces of `room`; its output and errors, one after the other, and its status. */
static int command(const char *line, size_t room, char *out, char *errors)
{
    struct fake_transport transport;
    const uint8_t *at, *end, *data;
    uint32_t length;
    unsigned type;
    int status = -1;

    *out = *errors = 0;
    fake_open(&transport, SESSION_COMMAND);
    transport.room = room;
    fake_type(&transport, line);
    for (int i = 0; i < 100000 && transport.closes == 0; i++) {
        transport.room = room;
        session_writable(transport.session);
        fake_run(0);
    }
    assert_int_equal(transport.closes, 1);
    at = (const uint8_t *)transport.text;
    end = at + transport.length;
    while ((type = frame(&at, end, &data, &length)) != 0) {
        assert_int_equal(status, -1); /* the status is last */
        if (type == 3) {
            assert_int_equal(length, 1);
            status = data[0];
        } else {
            assert_true(type == 1 || type == 2);
            strncat(type == 1 ? out : errors, (const char *)data, length);
        }
    }
    assert_ptr_equal(at, end);
    fake_close(&transport);
    return status;
}

static void the_command_protocol(void **state)
{
    static char out[1 << 20], errors[4096];

    (void)state;
    for (size_t room = 1; room < 100000; room = room * 7 + 3) {
        assert_int_equal(command("domain list --json\n", room, out, errors), 0);
        assert_int_equal(json_count(out, ""), 3);
        assert_null(strchr(out, '\r'));
        assert_string_equal(errors, "");
        assert_int_equal(command("domain show 'linx 1'\r\n", room, out, errors), 1);
        assert_string_equal(out, "");
        assert_has(errors, "no domain 'linx 1'");
        assert_int_equal(command("domain\n", room, out, errors), 2);
    }
    fake_crowd = true;
    assert_int_equal(command("net addresses --json\n", 1000, out, errors), 0);
    assert_int_equal(json_count(out, ""), 512);
    assert_int_equal(command("\n", 1000, out, errors), 0);
    memset(errors, 'x', 2000);
    errors[2000] = 0;
    strcpy(out, errors);
    assert_int_equal(command(out, 1000, out + 2100, errors), 2);
    assert_string_equal(errors, "the command is too long\n");
}

static void notices_stay_out_of_commands(void **state)
{
    struct fake_transport transport;

    (void)state;
    fake_open(&transport, SESSION_COMMAND);
    fake_type(&transport, "log --fol");
    session_notice_all("something happened");
    fake_type(&transport, "low\n");
    session_notice_all("something happened");
    assert_int_equal(transport.length, 0);
    assert_int_equal(transport.closes, 0);
    fake_close(&transport);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(banner_and_prompt, setup, teardown),
        cmocka_unit_test_setup_teardown(words_and_quotes, setup, teardown),
        cmocka_unit_test_setup_teardown(mistakes_are_answered_with_what_would_be_right, setup, teardown),
        cmocka_unit_test_setup_teardown(distances, setup, teardown),
        cmocka_unit_test_setup_teardown(every_listing_is_valid_json, setup, teardown),
        cmocka_unit_test_setup_teardown(values_are_set_listed_and_reset, setup, teardown),
        cmocka_unit_test_setup_teardown(the_hardware_watchdog, setup, teardown),
        cmocka_unit_test_setup_teardown(the_serial_console_asks_for_its_password, setup, teardown),
        cmocka_unit_test_setup_teardown(updates_by_command, setup, teardown),
        cmocka_unit_test_setup_teardown(json_says_the_same_as_the_table, setup, teardown),
        cmocka_unit_test_setup_teardown(devices_are_listed_with_owner_and_faults, setup, teardown),
        cmocka_unit_test_setup_teardown(a_log_line_cannot_drive_the_terminal, setup, teardown),
        cmocka_unit_test_setup_teardown(log_begins_with_a_whole_line_and_keeps_long_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(following_the_log, setup, teardown),
        cmocka_unit_test_setup_teardown(long_output_waits_for_the_transport, setup, teardown),
        cmocka_unit_test_setup_teardown(input_waits_for_a_busy_session, setup, teardown),
        cmocka_unit_test_setup_teardown(notices_do_not_disturb, setup, teardown),
        cmocka_unit_test_setup_teardown(completion, setup, teardown),
        cmocka_unit_test_setup_teardown(domain_commands, setup, teardown),
        cmocka_unit_test_setup_teardown(reboot_and_poweroff, setup, teardown),
        cmocka_unit_test_setup_teardown(leaving, setup, teardown),
        cmocka_unit_test_setup_teardown(metrics_are_prometheus_text, setup, teardown),
        cmocka_unit_test_setup_teardown(many_sessions, setup, teardown),
        cmocka_unit_test_setup_teardown(the_command_protocol, setup, teardown),
        cmocka_unit_test_setup_teardown(notices_stay_out_of_commands, setup, teardown),
    };

    return cmocka_run_group_tests_name("shell", tests, NULL, NULL);
}
