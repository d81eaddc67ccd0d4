/* SPDX-License-Identifier: Apache-2.0 */
/* domain list, show, start, stop, restart. */
#include <bulkhead/management.h>
#include <bulkhead/partition.h>
#include <lib/hypercall.h>
#include <lib/stop_cause.h>
#include <mgmt/command.h>
#include <mgmt/commands/events.h>
#include <mgmt/domain_names.h>
#include <mgmt/loop.h>
#include <mgmt/output.h>
#include <mgmt/platform.h>
#include <mgmt/supervisor.h>
#include <stdio.h>
#include <string.h>

static uint32_t state_of(const struct domain_status *status)
{
    return __atomic_load_n(&status->state, __ATOMIC_ACQUIRE);
}

static bool lives(uint32_t state)
{
    return state == DOMAIN_RUNNING || state == DOMAIN_STARTING || state == DOMAIN_STOPPING;
}

static uint32_t domain_count(void)
{
    return platform_status()->partitions < partition_count ? platform_status()->partitions : partition_count;
}

/* What the supervisor is about to do, or an empty string. */
static void supervision_text(char *text, size_t size, uint32_t partition)
{
    struct supervision_state state = supervisor_state(partition);

    text[0] = 0;
    if (state.state == SUPERVISION_BACK_OFF)
        snprintf(text, size, "restarts in %llu.%llu s", (unsigned long long)(state.restart_in_ns / 1000000000),
                 (unsigned long long)(state.restart_in_ns / 100000000 % 10));
    else if (state.state == SUPERVISION_GAVE_UP)
        snprintf(text, size, "given up");
}

static void row_text_or_none(struct output_row *row, const char *text)
{
    if (text[0] != 0)
        row_text(row, text);
    else
        row_none(row);
}

static void row_uptime(struct output_row *row, const struct domain_status *status, uint32_t state)
{
    if (lives(state) && status->started_ns != 0 && time_ns() > status->started_ns)
        row_duration(row, time_ns() - status->started_ns);
    else
        row_none(row);
}

/* How often it started and crashed, and why it stopped last. */
static void row_lives(struct output_row *row, const struct domain_status *status)
{
    row_number(row, status->starts);
    row_number(row, status->crashes);
    if (status->cause != CAUSE_NONE)
        row_text(row, stop_cause_text(status->cause));
    else
        row_none(row);
}

/* domain list */

static enum output_step list_row(struct output_row *row, struct output_cursor *cursor)
{
    const struct domain_status *status = &platform_status()->domain[cursor->row];
    char text[32];
    uint32_t state, cpu, n;

    if (cursor->row >= domain_count())
        return OUTPUT_END;
    state = state_of(status);
    row_text(row, partitions[cursor->row].name);
    row_text(row, domain_state_text(state));
    for (n = 0, cpu = 0, text[0] = 0; cpu < BULKHEAD_CPUS_MAX; cpu++) {
        if (partitions[cursor->row].cpus >> cpu & 1)
            n += (uint32_t)snprintf(text + n, sizeof text - n, "%s%u", n > 0 ? "," : "", (unsigned)cpu);
    }
    row_text(row, text);
    row_number(row, status->vcpus);
    row_size(row, partitions[cursor->row].memory_size);
    row_uptime(row, status, state);
    row_lives(row, status);
    supervision_text(text, sizeof text, (uint32_t)cursor->row);
    row_text_or_none(row, text);
    return OUTPUT_ROW;
}

static const struct output_column list_columns[] = {
    {"name", "NAME"},       {"state", "STATE"},
    {"cpus", "CPUS"},       {"vcpus", NULL},
    {"memory", "MEMORY"},   {"uptime_s", "UPTIME"},
    {"starts", "STARTS"},   {"crashes", "CRASHES"},
    {"cause", "LAST STOP"}, {"supervision", "SUPERVISION"},
};
static const struct output_section list_section = {
    .key = "domains",
    .kind = OUTPUT_TABLE,
    .column = list_columns,
    .columns = sizeof list_columns / sizeof list_columns[0],
    .row = list_row,
};

static int run_list(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    (void)argument;
    output_section(session, &list_section, 0);
    return COMMAND_OK;
}
COMMAND(domain_list, "domain list", "[--json]", "the domains and their states", run_list, NULL);

/* domain show */

static const char *policy_text(uint8_t action)
{
    static const char *const text[] = {"restart", "stop", "reset the appliance"};

    return action < sizeof text / sizeof text[0] ? text[action] : "unknown";
}

static enum output_step show_row(struct output_row *row, struct output_cursor *cursor)
{
    uint32_t partition = (uint32_t)cursor->argument;
    const struct domain_status *status = &platform_status()->domain[partition];
    const struct partition_config *config = &partitions[partition];
    const struct policy_config *policy = &policies[partition];
    uint32_t state = state_of(status);
    char text[32];

    row_text(row, config->name);
    row_text(row, domain_state_text(state));
    row_uptime(row, status, state);
    row_lives(row, status);
    if (status->cause != CAUSE_NONE && status->detail != 0)
        row_hex(row, status->detail);
    else
        row_none(row);
    if (status->cause != CAUSE_NONE && time_ns() > status->stopped_ns)
        row_duration(row, time_ns() - status->stopped_ns);
    else
        row_none(row);
    supervision_text(text, sizeof text, partition);
    row_text_or_none(row, text);
    row_size(row, config->memory_size);
    row_hex(row, status->memory_ipa);
    row_hex(row, status->memory_hpa);
    row_text(row, config->kernel);
    row_text_or_none(row, config->initrd);
    row_text_or_none(row, config->command_line != NULL ? config->command_line : "");
    if (partition == 0)
        row_text(row, "the kernel restarts it");
    else
        row_text(row, policy_text(policy->action));
    if (partition != 0 && policy->action == POLICY_RESTART)
        row_format(row, "%u in %u s, back-off %u ms to %u ms, %u so far", policy->limit, (unsigned)policy->window_s,
                   (unsigned)policy->backoff_ms, (unsigned)policy->backoff_max_ms,
                   (unsigned)supervisor_state(partition).restarts);
    else
        row_none(row);
    row_flag(row, config->flags & PARTITION_WATCHDOG);
    return OUTPUT_ROW;
}

static const struct output_column show_columns[] = {
    {"name", "name"},
    {"state", "state"},
    {"uptime_s", "up for"},
    {"starts", "starts"},
    {"crashes", "crashes"},
    {"cause", "last stop"},
    {"detail", "stopped at"},
    {"stopped_before_s", "since then"},
    {"supervision", "supervision"},
    {"memory", "memory"},
    {"memory_ipa", "memory in guest"},
    {"memory_hpa", "memory in host"},
    {"kernel", "kernel"},
    {"initrd", "initrd"},
    {"command_line", "command line"},
    {"policy", "after a crash"},
    {"restarts", "restarts allowed"},
    {"watchdog", "guest watchdog"},
};
static const struct output_section show_section = {
    .key = "domain",
    .kind = OUTPUT_RECORD,
    .column = show_columns,
    .columns = sizeof show_columns / sizeof show_columns[0],
    .row = show_row,
};

static enum output_step vcpu_row(struct output_row *row, struct output_cursor *cursor)
{
    const struct domain_status *status = &platform_status()->domain[cursor->argument];
    const struct vcpu_status *vcpu = &status->vcpu[cursor->row];
    uint64_t exits = 0;
    unsigned kind;

    if (cursor->row >= status->vcpus || cursor->row >= BULKHEAD_CPUS_MAX)
        return OUTPUT_END;
    for (kind = 0; kind < EXIT_KINDS; kind++)
        exits += vcpu->exits[kind];
    row_number(row, cursor->row);
    row_number(row, vcpu->physical_cpu);
    row_flag(row, vcpu->online);
    row_number(row, exits);
    return OUTPUT_ROW;
}

static const struct output_column vcpu_columns[] = {
    {"vcpu", "VCPU"}, {"cpu", "CPU"}, {"online", "ONLINE"}, {"exits", "EXITS"}};
static const struct output_section vcpu_section = {
    .key = "vcpus",
    .kind = OUTPUT_TABLE,
    .column = vcpu_columns,
    .columns = sizeof vcpu_columns / sizeof vcpu_columns[0],
    .row = vcpu_row,
};

static int run_show(struct session *session, int arguments, char **argument)
{
    int partition = domain_find(session, argument[0]);

    (void)arguments;
    if (partition < 0)
        return COMMAND_FAILED;
    output_section(session, &show_section, (uint64_t)partition);
    output_section(session, &vcpu_section, (uint64_t)partition);
    output_section(session, &events_section, (uint64_t)partition);
    return COMMAND_OK;
}
COMMAND(domain_show, "domain show", "NAME [--json]", "one domain: state, memory, policy, vCPUs, what happened to it",
        run_show, domain_complete);

/* domain start, stop, restart */

static int control(struct session *session, char **argument, enum domain_operation operation, const char *doing)
{
    int partition = domain_find(session, argument[0]);
    bool waiting;
    uint32_t state;
    int64_t result;

    if (partition < 0)
        return COMMAND_FAILED;
    if (partition == 0) {
        output_error(session,
                     "'%s' is the management domain, which you are talking to; 'reboot' restarts the appliance",
                     argument[0]);
        return COMMAND_FAILED;
    }
    state = state_of(&platform_status()->domain[partition]);
    if (state == DOMAIN_ABSENT) {
        output_error(session, "domain %s cannot run here: this machine lacks its CPUs or memory (see 'log')",
                     argument[0]);
        return COMMAND_FAILED;
    }
    waiting = supervisor_state((uint32_t)partition).state == SUPERVISION_BACK_OFF;
    supervisor_operator_decides((uint32_t)partition);
    if (operation == DOMAIN_OP_STOP && waiting) {
        output_print(session, "domain %s is %s already; the restart that waited is cancelled", argument[0],
                     domain_state_text(state));
        return COMMAND_OK;
    }
    result = hypercall_domain_control((uint32_t)partition, operation);
    if (result == HC_E_STATE) {
        output_error(session, "domain %s is %s already", argument[0],
                     domain_state_text(state_of(&platform_status()->domain[partition])));
        return COMMAND_FAILED;
    }
    if (result != HC_OK) {
        output_error(session, "the kernel refuses it (%d)", (int)result);
        return COMMAND_FAILED;
    }
    output_print(session, "domain %s: %s", argument[0], doing);
    return COMMAND_OK;
}

static int run_start(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    return control(session, argument, DOMAIN_OP_START, "starting");
}
COMMAND(domain_start, "domain start", "NAME", "start a domain that is off, stopped or crashed", run_start,
        domain_complete);

static int run_stop(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    return control(session, argument, DOMAIN_OP_STOP, "stopping");
}
COMMAND(domain_stop, "domain stop", "NAME", "stop a domain at once, as pulling its plug would", run_stop,
        domain_complete);

static int run_restart(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    return control(session, argument, DOMAIN_OP_RESTART, "restarting");
}
COMMAND(domain_restart, "domain restart", "NAME", "stop a domain if it runs, and start it", run_restart,
        domain_complete);
