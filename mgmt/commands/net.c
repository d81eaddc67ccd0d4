/* SPDX-License-Identifier: Apache-2.0 */
/* net, net ports, net addresses. */
#include <bulkhead/management.h>
#include <devices/nic/nic.h>
#include <mgmt/command.h>
#include <mgmt/output.h>
#include <net/status.h>
#include <net/vswitch.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void mac_cell(struct output_row *row, const uint8_t mac[6])
{
    static const uint8_t none[6];

    if (memcmp(mac, none, sizeof none) == 0)
        row_none(row);
    else
        row_format(row, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void address_cell(struct output_row *row, uint32_t address)
{
    if (address == 0)
        row_none(row);
    else
        row_format(row, "%u.%u.%u.%u", (unsigned)(address >> 24), (unsigned)(address >> 16 & 255),
                   (unsigned)(address >> 8 & 255), (unsigned)(address & 255));
}

static void text_or_none(struct output_row *row, const char *text)
{
    if (text[0] != 0)
        row_text(row, text);
    else
        row_none(row);
}

/* The TLS console */

static enum output_step tls_row(struct output_row *row, struct output_cursor *cursor)
{
    struct net_tls_status status;
    struct tm parts;
    char text[32];
    time_t end;

    (void)cursor;
    memset(&status, 0, sizeof status);
    net_tls_status(&status);
    end = (time_t)status.valid_to_s;
    row_flag(row, status.on);
    text_or_none(row, status.why);
    row_number(row, status.port);
    text_or_none(row, status.subject);
    if (end != 0 && gmtime_r(&end, &parts) != NULL && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) > 0)
        row_text(row, text);
    else
        row_none(row);
    row_flag(row, status.development);
    row_number(row, status.sessions);
    row_number(row, status.sessions_max);
    row_number(row, status.opened);
    row_number(row, status.refused);
    row_number(row, status.broken);
    row_number(row, status.handshakes);
    row_number(row, status.failed);
    row_number(row, status.timed_out);
    text_or_none(row, status.last_failure);
    return OUTPUT_ROW;
}

static const struct output_column tls_columns[] = {
    {"on", "TLS console"},
    {"why", "off because"},
    {"port", "port"},
    {"certificate", "certificate"},
    {"valid_until", "valid until"},
    {"development_certificates", "development certificates"},
    {"sessions", "sessions"},
    {"sessions_max", "sessions at most"},
    {"sessions_opened", "sessions opened"},
    {"refused", "refused: too many"},
    {"sessions_broken", "sessions broken"},
    {"handshakes", "handshakes going on"},
    {"failed_handshakes", "handshakes failed"},
    {"late_handshakes", "handshakes too late"},
    {"last_failure", "last failure"},
};
static const struct output_section tls_section = {
    .key = "tls",
    .kind = OUTPUT_RECORD,
    .column = tls_columns,
    .columns = sizeof tls_columns / sizeof tls_columns[0],
    .row = tls_row,
};

/* The management domain's interfaces */

static enum output_step interface_row(struct output_row *row, struct output_cursor *cursor)
{
    struct net_interface_status status;

    if (!net_interface_status((uint32_t)cursor->row, &status))
        return OUTPUT_END;
    row_text(row, status.switch_name);
    mac_cell(row, status.mac);
    address_cell(row, status.address);
    address_cell(row, status.netmask);
    address_cell(row, status.gateway);
    if (status.dhcp)
        row_text(row, status.dhcp_state);
    else
        row_none(row);
    address_cell(row, status.dhcp_server);
    row_number(row, status.dhcp_lease_s);
    row_number(row, status.dropped);
    return OUTPUT_ROW;
}

static const struct output_column interface_columns[] = {
    {"switch", "INTERFACE ON"}, {"mac", "MAC"},         {"address", "ADDRESS"},
    {"netmask", "NETMASK"},     {"gateway", "GATEWAY"}, {"dhcp", "DHCP"},
    {"dhcp_server", "SERVER"},  {"dhcp_lease_s", NULL}, {"dropped", "DROPPED"},
};
static const struct output_section interface_section = {
    .key = "interfaces",
    .empty = "the management domain has no port on any switch",
    .kind = OUTPUT_TABLE,
    .column = interface_columns,
    .columns = sizeof interface_columns / sizeof interface_columns[0],
    .row = interface_row,
};

/* Switches and NICs */

static enum output_step switch_row(struct output_row *row, struct output_cursor *cursor)
{
    static const char *const kind[] = {"private", "internal", "external"};
    const struct switch_config *config = &switches[cursor->row];
    struct vswitch_port_view view;
    uint32_t count = 0, n;

    if (cursor->row >= switch_count)
        return OUTPUT_END;
    for (n = 0; vswitch_port_view(n, &view); n++)
        count += view.switch_id == cursor->row;
    row_text(row, config->name);
    row_text(row, config->kind < sizeof kind / sizeof kind[0] ? kind[config->kind] : "unknown");
    if (config->uplink != 0xff && nic_get(config->uplink) != NULL)
        row_text(row, nic_get(config->uplink)->name);
    else if (config->uplink != 0xff)
        row_format(row, "NIC %u is missing", config->uplink);
    else
        row_none(row);
    row_number(row, count);
    return OUTPUT_ROW;
}

static const struct output_column switch_columns[] = {
    {"name", "SWITCH"}, {"kind", "KIND"}, {"uplink", "UPLINK"}, {"ports", "PORTS"}};
static const struct output_section switch_section = {
    .key = "switches",
    .empty = "no switches",
    .kind = OUTPUT_TABLE,
    .column = switch_columns,
    .columns = sizeof switch_columns / sizeof switch_columns[0],
    .row = switch_row,
};

static enum output_step nic_row(struct output_row *row, struct output_cursor *cursor)
{
    const struct nic *nic = nic_get((uint32_t)cursor->row);

    if (nic == NULL)
        return OUTPUT_END;
    row_text(row, nic->name);
    mac_cell(row, nic->mac);
    if (nic->has_checksum || nic->has_tso4 || nic->has_tso6)
        row_format(row, "%s%s%s", nic->has_checksum ? "checksum " : "", nic->has_tso4 ? "tso4 " : "",
                   nic->has_tso6 ? "tso6" : "");
    else
        row_none(row);
    row_text(row, nic->link_up ? "up" : "down");
    row_number(row, nic->rx_packets);
    row_number(row, nic->rx_bytes);
    row_number(row, nic->rx_dropped);
    row_number(row, nic->tx_packets);
    row_number(row, nic->tx_bytes);
    row_number(row, nic->tx_dropped);
    row_number(row, nic->resets);
    return OUTPUT_ROW;
}

static const struct output_column nic_columns[] = {
    {"name", "NIC"},
    {"mac", "MAC"},
    {"offloads", "OFFLOADS"},
    {"link", "LINK"},
    {"rx_packets", "RECEIVED"},
    {"rx_bytes", "BYTES"},
    {"rx_dropped", "DROPPED"},
    {"tx_packets", "SENT"},
    {"tx_bytes", "BYTES"},
    {"tx_dropped", "DROPPED"},
    {"resets", "RESETS"},
};
static const struct output_section nic_section = {
    .key = "nics",
    .empty = "no NICs",
    .kind = OUTPUT_TABLE,
    .column = nic_columns,
    .columns = sizeof nic_columns / sizeof nic_columns[0],
    .row = nic_row,
};

/* Ports */

static enum output_step port_row(struct output_row *row, struct output_cursor *cursor)
{
    struct vswitch_port_view view;

    if (!vswitch_port_view((uint32_t)cursor->row, &view))
        return OUTPUT_END;
    row_text(row, view.switch_id < switch_count ? switches[view.switch_id].name : "?");
    row_text(row, view.name);
    row_flag(row, view.up);
    row_text(row, view.uplink ? "uplink" : view.mode == PORT_TRUNK ? "trunk" : "access");
    if (view.vlan != 0)
        row_number(row, view.vlan);
    else
        row_none(row);
    mac_cell(row, view.mac);
    row_number(row, view.addresses);
    row_number(row, view.counters.rx_packets);
    row_number(row, view.counters.rx_bytes);
    row_number(row, view.counters.tx_packets);
    row_number(row, view.counters.tx_bytes);
    row_number(row, view.counters.rx_dropped);
    row_number(row, view.counters.tx_dropped);
    row_number(row, view.counters.vlan_dropped);
    row_number(row, view.counters.malformed);
    return OUTPUT_ROW;
}

/* For people "in" and "out" are as the switch sees them. */
static const struct output_column port_columns[] = {
    {"switch", "SWITCH"},
    {"port", "PORT"},
    {"up", "UP"},
    {"mode", "MODE"},
    {"vlan", "VLAN"},
    {"mac", "MAC"},
    {"learned", "LEARNED"},
    {"rx_packets", "IN"},
    {"rx_bytes", "BYTES"},
    {"tx_packets", "OUT"},
    {"tx_bytes", "BYTES"},
    {"rx_dropped", "IN DROPPED"},
    {"tx_dropped", "OUT DROPPED"},
    {"vlan_dropped", "OTHER VLAN"},
    {"malformed", "MALFORMED"},
};
static const struct output_section port_section = {
    .key = "ports",
    .empty = "no ports",
    .kind = OUTPUT_TABLE,
    .column = port_columns,
    .columns = sizeof port_columns / sizeof port_columns[0],
    .row = port_row,
};

/* Learned addresses; position[0] is the place in the table. */

static enum output_step address_row(struct output_row *row, struct output_cursor *cursor)
{
    struct vswitch_address_view view;

    while (cursor->position[0] < VSWITCH_ADDRESSES_MAX && !vswitch_address_view((uint32_t)cursor->position[0], &view))
        cursor->position[0]++;
    if (cursor->position[0]++ >= VSWITCH_ADDRESSES_MAX)
        return OUTPUT_END;
    row_text(row, view.switch_id < switch_count ? switches[view.switch_id].name : "?");
    if (view.vlan != 0)
        row_number(row, view.vlan);
    else
        row_none(row);
    mac_cell(row, view.mac);
    row_text(row, view.port);
    row_number(row, view.age_s);
    return OUTPUT_ROW;
}

static const struct output_column address_columns[] = {
    {"switch", "SWITCH"}, {"vlan", "VLAN"}, {"mac", "MAC"}, {"port", "PORT"}, {"age_s", "SECONDS AGO"}};
static const struct output_section address_section = {
    .key = "addresses",
    .empty = "no addresses learned",
    .kind = OUTPUT_TABLE,
    .column = address_columns,
    .columns = sizeof address_columns / sizeof address_columns[0],
    .row = address_row,
};

static int run_net(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    (void)argument;
    output_section(session, &tls_section, 0);
    output_section(session, &interface_section, 0);
    output_section(session, &switch_section, 0);
    output_section(session, &port_section, 0);
    output_section(session, &nic_section, 0);
    return COMMAND_OK;
}
COMMAND(net, "net", "[--json]", "TLS console, interfaces, switches, ports and NICs", run_net, NULL);

static int run_ports(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    (void)argument;
    output_section(session, &port_section, 0);
    return COMMAND_OK;
}
COMMAND(net_ports, "net ports", "[--json]", "the switches' ports and their counters", run_ports, NULL);

static int run_addresses(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    (void)argument;
    output_section(session, &address_section, 0);
    return COMMAND_OK;
}
COMMAND(net_addresses, "net addresses", "[--json]", "the MAC addresses that the switches have learned", run_addresses,
        NULL);
