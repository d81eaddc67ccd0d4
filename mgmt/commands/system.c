/* SPDX-License-Identifier: Apache-2.0 */
/* version, uptime, date, reboot, poweroff. */
#include <bulkhead/management.h>
#include <lib/hypercall.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/command.h>
#include <mgmt/loop.h>
#include <mgmt/output.h>
#include <mgmt/platform.h>
#include <mgmt/session_internal.h>
#include <net/status.h>
#include <stdio.h>
#include <storage/update.h>
#include <string.h>
#include <time.h>
#include <version.h>

static enum output_step version_row(struct output_row *row, struct output_cursor *cursor)
{
    const struct status_page *status = platform_status();
    struct net_tls_status tls;
    int slot = update_running();

    (void)cursor;
    net_tls_status(&tls);
    row_text(row, hostname);
    row_bytes_text(row, status->kernel_version, strnlen(status->kernel_version, sizeof status->kernel_version));
    row_text(row, BULKHEAD_VERSION);
    row_number(row, status->abi_version);
    row_number(row, status->cpus);
    row_number(row, status->partitions);
    row_size(row, status->kernel_bytes);
    row_size(row, status->kernel_pages_bytes);
    row_duration(row, status->first_guest_ns);
    row_number(row, status->boot);
    row_number(row, status->bundle_version);
    row_flag(row, status->bundle_development);
    row_format(row, "%c", slot < 0 ? '-' : 'a' + slot);
    row_flag(row, tls.development);
    return OUTPUT_ROW;
}

static const struct output_column version_columns[] = {
    {"hostname", "hostname"},
    {"kernel", "kernel"},
    {"management", "management domain"},
    {"abi", "hypercall ABI"},
    {"cpus", "CPUs"},
    {"domains", "domains"},
    {"kernel_image", "kernel image"},
    {"kernel_memory", "kernel memory"},
    {"first_guest_s", "first guest after"},
    {"boot", "boot"},
    {"bundle_version", "bundle version"},
    {"development_key", "development key"},
    {"slot", "boot slot"},
    {"development_certificates", "development certificates"},
};
static const struct output_section version_section = {
    .key = "version",
    .kind = OUTPUT_RECORD,
    .column = version_columns,
    .columns = sizeof version_columns / sizeof version_columns[0],
    .row = version_row,
};

static int run_version(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    (void)argument;
    output_section(session, &version_section, 0);
    return COMMAND_OK;
}
COMMAND(version, "version", "[--json]", "what runs here", run_version, NULL);

static enum output_step uptime_row(struct output_row *row, struct output_cursor *cursor)
{
    const struct domain_status *own = &platform_status()->domain[0];
    time_t now = (time_t)time_wall_s();
    struct tm parts;
    char text[40];

    (void)cursor;
    row_duration(row, time_ns());
    row_duration(row, time_ns() > own->started_ns ? time_ns() - own->started_ns : 0);
    if (now != 0 && gmtime_r(&now, &parts) != NULL && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) > 0)
        row_text(row, text);
    else
        row_none(row);
    return OUTPUT_ROW;
}

static const struct output_column uptime_columns[] = {
    {"uptime_s", "appliance up for"}, {"management_uptime_s", "management domain up for"}, {"time", "time"}};
static const struct output_section uptime_section = {
    .key = "uptime",
    .kind = OUTPUT_RECORD,
    .column = uptime_columns,
    .columns = sizeof uptime_columns / sizeof uptime_columns[0],
    .row = uptime_row,
};

static int run_uptime(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    (void)argument;
    output_section(session, &uptime_section, 0);
    return COMMAND_OK;
}
COMMAND(uptime, "uptime", "[--json]", "how long it has been running, and the time", run_uptime, NULL);

/* The machine goes a moment later, so that the answer reaches whoever asked. */
static void system_now(struct loop_timer *timer)
{
    hypercall_system(timer->owner != NULL, CAUSE_REQUEST);
}

static int run_system(struct session *session, bool power_off)
{
    static struct loop_timer timer = {.run = system_now};
    char text[80];

    snprintf(text, sizeof text, "the appliance %s: asked for in session %u", power_off ? "powers off" : "reboots",
             (unsigned)session->number);
    bulkhead_log("%s", text);
    session_notice_all(text);
    timer.owner = power_off ? &timer : NULL;
    loop_timer_set(&timer, 300000000);
    if (session->mode == SESSION_COMMAND)
        output_print(session, "%s", text);
    return COMMAND_OK;
}

static int run_reboot(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    (void)argument;
    return run_system(session, false);
}
COMMAND(reboot, "reboot", "", "reset the appliance, with all domains", run_reboot, NULL);

static int run_poweroff(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    (void)argument;
    return run_system(session, true);
}
COMMAND(poweroff, "poweroff", "", "switch the appliance off", run_poweroff, NULL);
