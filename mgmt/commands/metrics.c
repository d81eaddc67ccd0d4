/* SPDX-License-Identifier: Apache-2.0 */
/* metrics: every counter, in Prometheus's text format or as JSON. */
#include <bulkhead/channel.h>
#include <bulkhead/management.h>
#include <bulkhead/partition.h>
#include <devices/disk/disk.h>
#include <devices/nic/nic.h>
#include <lib/native.h>
#include <mgmt/command.h>
#include <mgmt/interrupt_watch.h>
#include <mgmt/loop.h>
#include <mgmt/output.h>
#include <mgmt/password.h>
#include <mgmt/platform.h>
#include <mgmt/session_internal.h>
#include <mgmt/watchdog.h>
#include <net/status.h>
#include <net/vswitch.h>
#include <stdio.h>
#include <storage/state_partition.h>
#include <storage/status.h>
#include <storage/update.h>

/* A metric: fills row `n`; false: it has no more. */
struct metric {
    const char *name;
    bool (*fill)(struct output_row *row, const struct metric *metric, uint64_t n);
    unsigned which; /* of several that one function fills */
};

static uint32_t domain_count(void)
{
    return platform_status()->partitions < partition_count ? platform_status()->partitions : partition_count;
}

enum {
    APPLIANCE_UPTIME,
    APPLIANCE_BOOT,
    APPLIANCE_CPUS,
    APPLIANCE_KERNEL,
    APPLIANCE_KERNEL_MEMORY,
    APPLIANCE_FIRST_GUEST,
    APPLIANCE_EVENTS,
    APPLIANCE_LOG,
    APPLIANCE_PROGRAM,
    APPLIANCE_DATA,
    APPLIANCE_HEAP,
    APPLIANCE_WATCHDOG,
    APPLIANCE_PASSWORD,
    APPLIANCE_SESSIONS
};

static bool fill_appliance(struct output_row *row, const struct metric *metric, uint64_t n)
{
    const struct status_page *status = platform_status();
    struct session *session = NULL;
    uint64_t value = 0;

    switch (metric->which) {
    case APPLIANCE_UPTIME:
        value = time_ns() / 1000000;
        break;
    case APPLIANCE_BOOT:
        value = status->boot;
        break;
    case APPLIANCE_CPUS:
        value = status->cpus;
        break;
    case APPLIANCE_KERNEL:
        value = status->kernel_bytes;
        break;
    case APPLIANCE_KERNEL_MEMORY:
        value = status->kernel_pages_bytes;
        break;
    case APPLIANCE_FIRST_GUEST:
        value = status->first_guest_ns;
        break;
    case APPLIANCE_EVENTS:
        value = status->event_head;
        break;
    case APPLIANCE_LOG:
        value = platform_log_ring()->head;
        break;
    case APPLIANCE_PROGRAM:
        value = memory_use().text;
        break;
    case APPLIANCE_DATA:
        value = memory_use().data;
        break;
    case APPLIANCE_HEAP:
        value = memory_use().heap_peak;
        break;
    case APPLIANCE_WATCHDOG:
        value = watchdog_fed();
        break;
    case APPLIANCE_PASSWORD:
        value = password_failures();
        break;
    default:
        while ((session = session_next(session)) != NULL)
            value++;
        break;
    }
    row_metric(row, metric->name, value);
    return n == 0;
}

enum { DOMAIN_METRIC_STATE, DOMAIN_METRIC_STARTS, DOMAIN_METRIC_CRASHES, DOMAIN_METRIC_CAUSE, DOMAIN_METRIC_MEMORY };

static bool fill_domain(struct output_row *row, const struct metric *metric, uint64_t n)
{
    const struct domain_status *status = &platform_status()->domain[n];

    if (n >= domain_count())
        return false;
    row_metric(row, metric->name,
               metric->which == DOMAIN_METRIC_STATE     ? status->state
               : metric->which == DOMAIN_METRIC_STARTS  ? status->starts
               : metric->which == DOMAIN_METRIC_CRASHES ? status->crashes
               : metric->which == DOMAIN_METRIC_CAUSE   ? status->cause
                                                        : status->memory_size);
    row_label(row, "domain", partitions[n].name);
    return true;
}

static bool fill_exits(struct output_row *row, const struct metric *metric, uint64_t n)
{
    static const char *const kind[EXIT_KINDS] = {
        "hypercall", "psci",      "smc",   "register", "channel",        "sgi",
        "sysreg",    "interrupt", "timer", "wfi",      "abort_injected", "undefined_injected",
        "other",
    };
    uint32_t domain;

    for (domain = 0; domain < domain_count(); domain++) {
        const struct domain_status *status = &platform_status()->domain[domain];
        uint32_t vcpus = status->vcpus < BULKHEAD_CPUS_MAX ? status->vcpus : BULKHEAD_CPUS_MAX;

        if (n < vcpus * EXIT_KINDS) {
            row_metric(row, metric->name, status->vcpu[n / EXIT_KINDS].exits[n % EXIT_KINDS]);
            row_label(row, "domain", partitions[domain].name);
            row_label_number(row, "vcpu", n / EXIT_KINDS);
            row_label(row, "kind", kind[n % EXIT_KINDS]);
            return true;
        }
        n -= vcpus * EXIT_KINDS;
    }
    return false;
}

enum { CHANNEL_NOTIFIES, CHANNEL_INTERRUPTS, CHANNEL_RESETS, CHANNEL_FAILURES };

static bool fill_channel(struct output_row *row, const struct metric *metric, uint64_t n)
{
    static const char *const device[] = {"", "net", "block", "console", "entropy"};
    const volatile struct channel_state *state;
    uint32_t channel;

    for (channel = 0; channel < channel_count; channel++) {
        const volatile uint8_t *page = platform_channel_page(channel);

        if (page == NULL || n-- != 0)
            continue;
        state = (const volatile struct channel_state *)(page + CHANNEL_STATE_OFFSET);
        row_metric(row, metric->name,
                   metric->which == CHANNEL_NOTIFIES     ? state->notifies
                   : metric->which == CHANNEL_INTERRUPTS ? state->interrupts
                   : metric->which == CHANNEL_RESETS     ? state->resets
                                                         : state->failures);
        row_label_number(row, "channel", channel);
        row_label(row, "domain", partitions[channels[channel].front].name);
        row_label(row, "device",
                  channels[channel].device_id < sizeof device / sizeof device[0] ? device[channels[channel].device_id]
                                                                                 : "unknown");
        return true;
    }
    return false;
}

static bool fill_console(struct output_row *row, const struct metric *metric, uint64_t n)
{
    if (n >= console_count || platform_console_ring((uint32_t)n) == NULL)
        return false;
    row_metric(row, metric->name, platform_console_ring((uint32_t)n)->head);
    row_label_number(row, "console", n);
    row_label(row, "domain", partitions[console_owner[n]].name);
    return true;
}

enum {
    PORT_UP,
    PORT_RX_PACKETS,
    PORT_RX_BYTES,
    PORT_TX_PACKETS,
    PORT_TX_BYTES,
    PORT_RX_DROPPED,
    PORT_TX_DROPPED,
    PORT_VLAN_DROPPED,
    PORT_MALFORMED
};

static bool fill_port(struct output_row *row, const struct metric *metric, uint64_t n)
{
    struct vswitch_port_view view;

    if (!vswitch_port_view((uint32_t)n, &view))
        return false;
    const uint64_t value[] = {
        [PORT_UP] = view.up,
        [PORT_RX_PACKETS] = view.counters.rx_packets,
        [PORT_RX_BYTES] = view.counters.rx_bytes,
        [PORT_TX_PACKETS] = view.counters.tx_packets,
        [PORT_TX_BYTES] = view.counters.tx_bytes,
        [PORT_RX_DROPPED] = view.counters.rx_dropped,
        [PORT_TX_DROPPED] = view.counters.tx_dropped,
        [PORT_VLAN_DROPPED] = view.counters.vlan_dropped,
        [PORT_MALFORMED] = view.counters.malformed,
    };
    row_metric(row, metric->name, value[metric->which]);
    row_label(row, "switch", view.switch_id < switch_count ? switches[view.switch_id].name : "?");
    row_label(row, "port", view.name);
    return true;
}

enum {
    NIC_RX_PACKETS,
    NIC_RX_BYTES,
    NIC_RX_DROPPED,
    NIC_TX_PACKETS,
    NIC_TX_BYTES,
    NIC_TX_DROPPED,
    NIC_LINK_UP,
    NIC_RESETS
};

static bool fill_nic(struct output_row *row, const struct metric *metric, uint64_t n)
{
    const struct nic *nic = nic_get((uint32_t)n);

    if (nic == NULL)
        return false;
    const uint64_t value[] = {
        [NIC_RX_PACKETS] = nic->rx_packets, [NIC_RX_BYTES] = nic->rx_bytes, [NIC_RX_DROPPED] = nic->rx_dropped,
        [NIC_TX_PACKETS] = nic->tx_packets, [NIC_TX_BYTES] = nic->tx_bytes, [NIC_TX_DROPPED] = nic->tx_dropped,
        [NIC_LINK_UP] = nic->link_up,       [NIC_RESETS] = nic->resets,
    };
    row_metric(row, metric->name, value[metric->which]);
    row_label(row, "nic", nic->name);
    return true;
}

enum { STATE_COMMITS, STATE_FAILED_COMMITS, STATE_BANK_ERRORS, STATE_HEALED };

static bool fill_state(struct output_row *row, const struct metric *metric, uint64_t n)
{
    const struct state *store = state_store();

    if (store == NULL || n > 0)
        return false;
    const uint64_t value[] = {
        [STATE_COMMITS] = store->commits,
        [STATE_FAILED_COMMITS] = store->failed_commits,
        [STATE_BANK_ERRORS] = store->bank_errors,
        [STATE_HEALED] = store->healed,
    };
    row_metric(row, metric->name, value[metric->which]);
    return true;
}

enum { UPDATE_STARTED, UPDATE_COMPLETED, UPDATE_FAILURES, UPDATE_BYTES, UPDATE_MINIMUM };

static bool fill_update(struct output_row *row, const struct metric *metric, uint64_t n)
{
    const struct update_status *update = update_status();
    const uint64_t value[] = {
        [UPDATE_STARTED] = update->started,          [UPDATE_COMPLETED] = update->completed,
        [UPDATE_FAILURES] = update->failed,          [UPDATE_BYTES] = update->bytes,
        [UPDATE_MINIMUM] = update_version_minimum(),
    };

    row_metric(row, metric->name, value[metric->which]);
    return n == 0;
}

enum {
    DISK_READS,
    DISK_WRITES,
    DISK_FLUSHES,
    DISK_DISCARDS,
    DISK_ERRORS,
    DISK_READ_BYTES,
    DISK_WRITTEN_BYTES,
    DISK_RESETS
};

static bool fill_disk(struct output_row *row, const struct metric *metric, uint64_t n)
{
    const struct disk *disk = disk_get((uint32_t)n);

    if (disk == NULL)
        return false;
    const uint64_t value[] = {
        [DISK_READS] = disk->reads,
        [DISK_WRITES] = disk->writes,
        [DISK_FLUSHES] = disk->flushes,
        [DISK_DISCARDS] = disk->discards,
        [DISK_ERRORS] = disk->errors,
        [DISK_READ_BYTES] = disk->read_bytes,
        [DISK_WRITTEN_BYTES] = disk->written_bytes,
        [DISK_RESETS] = disk->resets,
    };
    row_metric(row, metric->name, value[metric->which]);
    row_label(row, "disk", disk->name);
    return true;
}

enum {
    VOLUME_REQUESTS,
    VOLUME_FAILED,
    VOLUME_MALFORMED,
    VOLUME_RESETS,
    VOLUME_IN_FLIGHT,
    VOLUME_READ_BYTES,
    VOLUME_WRITTEN_BYTES,
    VOLUME_FLUSHES
};

static bool fill_volume(struct output_row *row, const struct metric *metric, uint64_t n)
{
    struct storage_status status;

    if (!storage_status_get((uint32_t)n, &status))
        return false;
    const uint64_t value[] = {
        [VOLUME_REQUESTS] = status.requests,
        [VOLUME_FAILED] = status.failed,
        [VOLUME_MALFORMED] = status.malformed,
        [VOLUME_RESETS] = status.resets,
        [VOLUME_IN_FLIGHT] = status.in_flight,
        [VOLUME_READ_BYTES] = status.volume->read_bytes,
        [VOLUME_WRITTEN_BYTES] = status.volume->written_bytes,
        [VOLUME_FLUSHES] = status.volume->flushes,
    };
    row_metric(row, metric->name, value[metric->which]);
    row_label(row, "domain", status.partition);
    row_label_number(row, "channel", status.channel);
    return true;
}

enum { TLS_ON, TLS_SESSIONS, TLS_ACCEPTED, TLS_OPENED, TLS_REFUSED, TLS_FAILED, TLS_TIMED_OUT, TLS_BROKEN };

static bool fill_tls(struct output_row *row, const struct metric *metric, uint64_t n)
{
    struct net_tls_status status;

    net_tls_status(&status);
    const uint64_t value[] = {
        [TLS_ON] = status.on,
        [TLS_SESSIONS] = status.sessions,
        [TLS_ACCEPTED] = status.accepted,
        [TLS_OPENED] = status.opened,
        [TLS_REFUSED] = status.refused,
        [TLS_FAILED] = status.failed,
        [TLS_TIMED_OUT] = status.timed_out,
        [TLS_BROKEN] = status.broken,
    };
    row_metric(row, metric->name, value[metric->which]);
    return n == 0;
}

enum { DEVICE_FAULTS, DEVICE_MESSAGES, DEVICE_RESETS };

static bool fill_device(struct output_row *row, const struct metric *metric, uint64_t n)
{
    const struct device_status *device = &platform_status()->device[n];
    char address[8];

    if (n >= platform_status()->devices || n >= BULKHEAD_DEVICES_MAX)
        return false;
    snprintf(address, sizeof address, "%02x:%02x.%x", device->requester >> 8u, device->requester >> 3u & 31u,
             device->requester & 7u);
    row_metric(row, metric->name,
               metric->which == DEVICE_FAULTS     ? device->faults
               : metric->which == DEVICE_MESSAGES ? device->messages
                                                  : device->resets);
    row_label(row, "device", address);
    row_label(row, "domain", device->owner < partition_count ? partitions[device->owner].name : "");
    return true;
}

static bool fill_interrupt(struct output_row *row, const struct metric *metric, uint64_t n)
{
    const struct interrupt_handler *handler = interrupt_trouble(NULL);

    while (handler != NULL && n-- > 0)
        handler = interrupt_trouble(handler);
    if (handler == NULL)
        return false;
    row_metric(row, metric->name, handler->watch.storms);
    row_label_number(row, "interrupt", handler->id);
    row_label(row, "device", handler->name);
    return true;
}

static const struct metric metrics[] = {
    {"bulkhead_uptime_milliseconds", fill_appliance, APPLIANCE_UPTIME},
    {"bulkhead_boot", fill_appliance, APPLIANCE_BOOT},
    {"bulkhead_cpus", fill_appliance, APPLIANCE_CPUS},
    {"bulkhead_kernel_image_bytes", fill_appliance, APPLIANCE_KERNEL},
    {"bulkhead_kernel_memory_bytes", fill_appliance, APPLIANCE_KERNEL_MEMORY},
    {"bulkhead_first_guest_nanoseconds", fill_appliance, APPLIANCE_FIRST_GUEST},
    {"bulkhead_events_total", fill_appliance, APPLIANCE_EVENTS},
    {"bulkhead_log_bytes_total", fill_appliance, APPLIANCE_LOG},
    {"bulkhead_management_program_bytes", fill_appliance, APPLIANCE_PROGRAM},
    {"bulkhead_management_data_bytes", fill_appliance, APPLIANCE_DATA},
    {"bulkhead_management_heap_peak_bytes", fill_appliance, APPLIANCE_HEAP},
    {"bulkhead_sessions", fill_appliance, APPLIANCE_SESSIONS},
    {"bulkhead_watchdog_fed_total", fill_appliance, APPLIANCE_WATCHDOG},
    {"bulkhead_console_password_failures_total", fill_appliance, APPLIANCE_PASSWORD},
    {"bulkhead_domain_state", fill_domain, DOMAIN_METRIC_STATE},
    {"bulkhead_domain_starts_total", fill_domain, DOMAIN_METRIC_STARTS},
    {"bulkhead_domain_crashes_total", fill_domain, DOMAIN_METRIC_CRASHES},
    {"bulkhead_domain_last_stop_cause", fill_domain, DOMAIN_METRIC_CAUSE},
    {"bulkhead_domain_memory_bytes", fill_domain, DOMAIN_METRIC_MEMORY},
    {"bulkhead_vcpu_exits_total", fill_exits, 0},
    {"bulkhead_channel_notifies_total", fill_channel, CHANNEL_NOTIFIES},
    {"bulkhead_channel_interrupts_total", fill_channel, CHANNEL_INTERRUPTS},
    {"bulkhead_channel_resets_total", fill_channel, CHANNEL_RESETS},
    {"bulkhead_channel_failures_total", fill_channel, CHANNEL_FAILURES},
    {"bulkhead_device_faults_total", fill_device, DEVICE_FAULTS},
    {"bulkhead_device_interrupts_total", fill_device, DEVICE_MESSAGES},
    {"bulkhead_device_resets_total", fill_device, DEVICE_RESETS},
    {"bulkhead_interrupts_held_back_total", fill_interrupt, 0},
    {"bulkhead_console_bytes_total", fill_console, 0},
    {"bulkhead_port_up", fill_port, PORT_UP},
    {"bulkhead_port_receive_packets_total", fill_port, PORT_RX_PACKETS},
    {"bulkhead_port_receive_bytes_total", fill_port, PORT_RX_BYTES},
    {"bulkhead_port_transmit_packets_total", fill_port, PORT_TX_PACKETS},
    {"bulkhead_port_transmit_bytes_total", fill_port, PORT_TX_BYTES},
    {"bulkhead_port_receive_dropped_total", fill_port, PORT_RX_DROPPED},
    {"bulkhead_port_transmit_dropped_total", fill_port, PORT_TX_DROPPED},
    {"bulkhead_port_vlan_dropped_total", fill_port, PORT_VLAN_DROPPED},
    {"bulkhead_port_malformed_total", fill_port, PORT_MALFORMED},
    {"bulkhead_nic_receive_packets_total", fill_nic, NIC_RX_PACKETS},
    {"bulkhead_nic_receive_bytes_total", fill_nic, NIC_RX_BYTES},
    {"bulkhead_nic_receive_dropped_total", fill_nic, NIC_RX_DROPPED},
    {"bulkhead_nic_transmit_packets_total", fill_nic, NIC_TX_PACKETS},
    {"bulkhead_nic_transmit_bytes_total", fill_nic, NIC_TX_BYTES},
    {"bulkhead_nic_transmit_dropped_total", fill_nic, NIC_TX_DROPPED},
    {"bulkhead_nic_link_up", fill_nic, NIC_LINK_UP},
    {"bulkhead_nic_resets_total", fill_nic, NIC_RESETS},
    {"bulkhead_disk_reads_total", fill_disk, DISK_READS},
    {"bulkhead_disk_writes_total", fill_disk, DISK_WRITES},
    {"bulkhead_disk_flushes_total", fill_disk, DISK_FLUSHES},
    {"bulkhead_disk_discards_total", fill_disk, DISK_DISCARDS},
    {"bulkhead_disk_errors_total", fill_disk, DISK_ERRORS},
    {"bulkhead_disk_read_bytes_total", fill_disk, DISK_READ_BYTES},
    {"bulkhead_disk_written_bytes_total", fill_disk, DISK_WRITTEN_BYTES},
    {"bulkhead_disk_resets_total", fill_disk, DISK_RESETS},
    {"bulkhead_state_commits_total", fill_state, STATE_COMMITS},
    {"bulkhead_state_failed_commits_total", fill_state, STATE_FAILED_COMMITS},
    {"bulkhead_state_bank_errors_total", fill_state, STATE_BANK_ERRORS},
    {"bulkhead_state_banks_repaired_total", fill_state, STATE_HEALED},
    {"bulkhead_updates_started_total", fill_update, UPDATE_STARTED},
    {"bulkhead_updates_installed_total", fill_update, UPDATE_COMPLETED},
    {"bulkhead_updates_failed_total", fill_update, UPDATE_FAILURES},
    {"bulkhead_update_written_bytes_total", fill_update, UPDATE_BYTES},
    {"bulkhead_version_minimum", fill_update, UPDATE_MINIMUM},
    {"bulkhead_volume_requests_total", fill_volume, VOLUME_REQUESTS},
    {"bulkhead_volume_failed_total", fill_volume, VOLUME_FAILED},
    {"bulkhead_volume_malformed_total", fill_volume, VOLUME_MALFORMED},
    {"bulkhead_volume_resets_total", fill_volume, VOLUME_RESETS},
    {"bulkhead_volume_in_flight", fill_volume, VOLUME_IN_FLIGHT},
    {"bulkhead_volume_read_bytes_total", fill_volume, VOLUME_READ_BYTES},
    {"bulkhead_volume_written_bytes_total", fill_volume, VOLUME_WRITTEN_BYTES},
    {"bulkhead_volume_flushes_total", fill_volume, VOLUME_FLUSHES},
    {"bulkhead_tls_on", fill_tls, TLS_ON},
    {"bulkhead_tls_sessions", fill_tls, TLS_SESSIONS},
    {"bulkhead_tls_accepted_total", fill_tls, TLS_ACCEPTED},
    {"bulkhead_tls_opened_total", fill_tls, TLS_OPENED},
    {"bulkhead_tls_refused_total", fill_tls, TLS_REFUSED},
    {"bulkhead_tls_failed_total", fill_tls, TLS_FAILED},
    {"bulkhead_tls_timed_out_total", fill_tls, TLS_TIMED_OUT},
    {"bulkhead_tls_broken_total", fill_tls, TLS_BROKEN},
};

/* position[0]: the metric, position[1]: its row. */
static enum output_step metric_row(struct output_row *row, struct output_cursor *cursor)
{
    for (; cursor->position[0] < sizeof metrics / sizeof metrics[0]; cursor->position[0]++, cursor->position[1] = 0) {
        const struct metric *metric = &metrics[cursor->position[0]];

        if (metric->fill(row, metric, cursor->position[1]++))
            return OUTPUT_ROW;
        row_clear(row);
    }
    return OUTPUT_END;
}

static const struct output_section metrics_section = {.key = "metrics", .kind = OUTPUT_METRICS, .row = metric_row};

static int run_metrics(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    (void)argument;
    output_section(session, &metrics_section, 0);
    return COMMAND_OK;
}
COMMAND(metrics, "metrics", "[--json]", "every counter, as Prometheus takes it", run_metrics, NULL);
