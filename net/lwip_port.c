/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lwIP in the management domain: its clock, its timers, and one interface for each switch that has a management port.
 *
 * Frames from the switch are copied into lwIP's buffers and wait in a short queue of the interface, so that lwIP never
 * runs inside the switch. lwIP's own frames go into the switch as they come; the switch's flush follows in a turn of
 * the loop of its own, one for all of them.
 */
#include <bulkhead/management.h>
#include <lib/native.h>
#include <lwip/dhcp.h>
#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/prot/dhcp.h>
#include <lwip/sys.h>
#include <lwip/timeouts.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/loop.h>
#include <mgmt/module.h>
#include <net/address.h>
#include <net/lwip/hooks.h>
#include <net/random.h>
#include <net/status.h>
#include <net/vswitch.h>
#include <netif/ethernet.h>
#include <stdio.h>
#include <storage/state_partition.h>
#include <string.h>

#define FRAME_MAX 1514u /* without a VLAN tag: the port is an access port */
#define QUEUE_FRAMES 32u
#define FRAMES_A_TURN 16u

struct interface {
    struct netif netif;
    struct port_config config;
    uint32_t switch_id;
    bool dhcp;
    struct vswitch_port *port;
    struct pbuf *queue[QUEUE_FRAMES];
    uint32_t queue_put, queue_got;
    uint64_t dropped;
};

static struct interface interfaces[VSWITCH_SWITCHES_MAX];
static uint32_t interface_count;

/* Clock and timers */

u32_t sys_now(void)
{
    return (u32_t)(time_ns() / 1000000u);
}

static void run_timers(struct loop_timer *timer);
static struct loop_timer timers = {.run = run_timers};

/* After whatever could have made lwIP want another time. */
static void schedule_timers(void)
{
    u32_t wait = sys_timeouts_sleeptime();

    if (wait == SYS_TIMEOUTS_SLEEPTIME_INFINITE)
        loop_timer_cancel(&timers);
    else
        loop_timer_set(&timers, (uint64_t)wait * 1000000u);
}

static void run_timers(struct loop_timer *timer)
{
    (void)timer;
    sys_check_timeouts();
    schedule_timers();
}

void lwip_assertion(const char *message, const char *file, int line)
{
    /* A peer's acknowledgements can bring these about (found by fuzzing), and the code behind them copes. */
    static const char *const harmless[] = {
        "tcp_slowtimr: persist ticking with in-flight data",
        "tcp_slowtimr: persist ticking with empty send buffer",
    };

    for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
        if (strcmp(message, harmless[i]) == 0)
            return;
    panic("lwIP: %s (%s:%d)", message, file, line);
}

/* From the switch to lwIP */

static void receive(struct loop_source *source);
static struct loop_source receive_source = {.run = receive};

static bool deliver(void *owner, const struct packet *packet)
{
    struct interface *interface = owner;
    struct pbuf *frame;
    u16_t offset = 0;

    if (packet->length > FRAME_MAX || interface->queue_put - interface->queue_got == QUEUE_FRAMES ||
        (frame = pbuf_alloc(PBUF_RAW, (u16_t)packet->length, PBUF_POOL)) == NULL) {
        interface->dropped++;
        return false;
    }
    for (uint32_t i = 0; i < packet->segments && offset < packet->length; i++) {
        size_t length = packet->segment[i].length;

        if (length > packet->length - offset)
            length = packet->length - offset;
        if (pbuf_take_at(frame, packet->segment[i].base, (u16_t)length, offset) != ERR_OK)
            break;
        offset += (u16_t)length;
    }
    interface->queue[interface->queue_put++ % QUEUE_FRAMES] = frame;
    return true;
}

static void deliver_end(void *owner)
{
    (void)owner;
    loop_signal(&receive_source);
}

static void receive(struct loop_source *source)
{
    for (uint32_t i = 0; i < interface_count; i++) {
        struct interface *interface = &interfaces[i];

        for (uint32_t n = 0; n < FRAMES_A_TURN && interface->queue_got != interface->queue_put; n++) {
            struct pbuf *frame = interface->queue[interface->queue_got++ % QUEUE_FRAMES];

            if (interface->netif.input(frame, &interface->netif) != ERR_OK)
                pbuf_free(frame);
        }
        if (interface->queue_got != interface->queue_put)
            loop_signal(source);
    }
    schedule_timers();
}

static const struct vswitch_port_operations port_operations = {.deliver = deliver, .flush = deliver_end};

/* From lwIP to the switch */

static void flush(struct loop_source *source)
{
    (void)source;
    vswitch_flush();
}
static struct loop_source flush_source = {.run = flush};

static err_t transmit(struct netif *netif, struct pbuf *frame)
{
    struct interface *interface = netif->state;
    struct segment segments[PACKET_SEGMENTS_MAX];
    struct packet packet = {.length = frame->tot_len, .segment = segments};

    for (struct pbuf *part = frame; part != NULL; part = part->next) {
        if (packet.segments == PACKET_SEGMENTS_MAX)
            return ERR_BUF;
        segments[packet.segments++] = (struct segment){.base = part->payload, .length = part->len};
        if (part->len == part->tot_len)
            break;
    }
    if (packet.length < PACKET_LENGTH_MIN)
        return ERR_ARG;
    pbuf_copy_partial(frame, packet.head, sizeof(packet.head), 0);
    vswitch_input(interface->port, &packet);
    loop_signal(&flush_source);
    return ERR_OK;
}

/* Hooks */

u32_t lwip_initial_sequence(const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote, u16_t remote_port)
{
    uint32_t connection[] = {ip4_addr_get_u32(ip_2_ip4(local)), ip4_addr_get_u32(ip_2_ip4(remote)),
                             (uint32_t)local_port << 16 | remote_port};

    return random_keyed(connection, sizeof(connection)) + (uint32_t)(time_ns() / 4000u);
}

struct netif *lwip_route(const ip4_addr_t *source, const ip4_addr_t *destination)
{
    (void)destination;
    if (source == NULL || ip4_addr_isany(source))
        return NULL;
    for (uint32_t i = 0; i < interface_count; i++)
        if (ip4_addr_eq(source, netif_ip4_addr(&interfaces[i].netif)))
            return &interfaces[i].netif;
    return NULL;
}

/* Interfaces */

static void address_changed(struct netif *netif)
{
    const struct interface *interface = netif->state;

    if (!ip4_addr_isany(netif_ip4_addr(netif)))
        bulkhead_log("net %s: address %s%s", switches[interface->switch_id].name, ip4addr_ntoa(netif_ip4_addr(netif)),
                     interface->dhcp ? " by DHCP" : "");
}

static err_t netif_setup(struct netif *netif)
{
    const struct interface *interface = netif->state;

    netif->name[0] = 'm';
    netif->name[1] = 'g';
    netif->hostname = hostname;
    netif->output = etharp_output;
    netif->linkoutput = transmit;
    netif->mtu = 1500;
    netif->hwaddr_len = sizeof(interface->config.mac);
    memcpy(netif->hwaddr, interface->config.mac, sizeof(interface->config.mac));
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

static void interface_add(uint32_t switch_id)
{
    const struct switch_config *config = &switches[switch_id];
    struct interface *interface = &interfaces[interface_count];
    ip4_addr_t address = {lwip_htonl(config->mgmt_address)}, netmask = {lwip_htonl(config->mgmt_netmask)};
    ip4_addr_t gateway = {lwip_htonl(config->mgmt_gateway)};

    if (config->mgmt_dhcp)
        address = netmask = gateway = (ip4_addr_t){0};
    interface->switch_id = switch_id;
    interface->dhcp = config->mgmt_dhcp;
    interface->config = (struct port_config){
        .channel = 0xff, .switch_id = (uint8_t)switch_id, .mode = PORT_ACCESS, .vlan = config->mgmt_vlan};
    memcpy(interface->config.mac, config->mgmt_mac, sizeof(interface->config.mac));
    interface->port = vswitch_port_add(switch_id, "mgmt", &interface->config, &port_operations, interface);
    if (interface->port == NULL ||
        netif_add(&interface->netif, &address, &netmask, &gateway, interface, netif_setup, ethernet_input) == NULL) {
        bulkhead_log("net %s: no room for the management domain's interface", config->name);
        return;
    }
    interface_count++;
    netif_set_status_callback(&interface->netif, address_changed);
    vswitch_port_link(interface->port, true);
    if (netif_default == NULL && (config->mgmt_dhcp || config->mgmt_gateway != 0))
        netif_set_default(&interface->netif);
    netif_set_up(&interface->netif);
    if (config->mgmt_dhcp && dhcp_start(&interface->netif) != ERR_OK)
        bulkhead_log("net %s: DHCP does not start", config->name);
}

/* Instead of the configuration's address. */
static void interface_change(struct interface *interface, const struct net_address *wanted)
{
    ip4_addr_t address = {lwip_htonl(wanted->address)}, netmask = {lwip_htonl(wanted->netmask)};
    ip4_addr_t gateway = {lwip_htonl(wanted->gateway)};

    if (interface->dhcp && !wanted->dhcp)
        dhcp_release_and_stop(&interface->netif);
    if (wanted->dhcp && !interface->dhcp && dhcp_start(&interface->netif) != ERR_OK)
        bulkhead_log("net %s: DHCP does not start", switches[interface->switch_id].name);
    interface->dhcp = wanted->dhcp;
    if (!wanted->dhcp)
        netif_set_addr(&interface->netif, &address, &netmask, &gateway);
    if (wanted->gateway != 0 || (wanted->dhcp && netif_default == NULL))
        netif_set_default(&interface->netif);
}

/* The value net.SWITCH, for each. */
static void addresses_settled(struct state *store)
{
    for (uint32_t i = 0; i < interface_count && store != NULL; i++) {
        const char *name = switches[interfaces[i].switch_id].name;
        struct net_address wanted;
        struct state_value value;
        char key[4 + BULKHEAD_NAME_MAX + 1];

        snprintf(key, sizeof(key), "net.%.*s", BULKHEAD_NAME_MAX, name);
        if (!state_get(store, key, &value))
            continue;
        if (net_address_parse((const char *)value.data, value.length, &wanted))
            interface_change(&interfaces[i], &wanted);
        else
            bulkhead_log("net %s: the value %s is no address; the configuration's stays", name, key);
    }
    schedule_timers();
}

static void lwip_start(void)
{
    lwip_init();
    for (uint32_t i = 0; i < switch_count && interface_count < VSWITCH_SWITCHES_MAX; i++)
        if (switches[i].mgmt_port)
            interface_add(i);
    state_when_settled(addresses_settled);
    schedule_timers();
    vswitch_flush();
}
MODULE(MODULE_SERVICE, lwip, lwip_start);

/* Status */

static const char *dhcp_state_text(const struct dhcp *dhcp)
{
    switch (dhcp == NULL ? DHCP_STATE_OFF : dhcp->state) {
    case DHCP_STATE_OFF:
        return "off";
    case DHCP_STATE_BOUND:
        return "bound";
    case DHCP_STATE_RENEWING:
        return "renewing";
    case DHCP_STATE_REBINDING:
        return "rebinding";
    case DHCP_STATE_REQUESTING:
    case DHCP_STATE_REBOOTING:
        return "requesting";
    default:
        return "looking for a server";
    }
}

bool net_interface_status(uint32_t index, struct net_interface_status *status)
{
    if (index >= interface_count)
        return false;
    struct interface *interface = &interfaces[index];
    const struct switch_config *config = &switches[interface->switch_id];
    const struct dhcp *dhcp = interface->dhcp ? netif_dhcp_data(&interface->netif) : NULL;

    *status = (struct net_interface_status){
        .switch_name = config->name,
        .switch_id = interface->switch_id,
        .address = lwip_ntohl(ip4_addr_get_u32(netif_ip4_addr(&interface->netif))),
        .netmask = lwip_ntohl(ip4_addr_get_u32(netif_ip4_netmask(&interface->netif))),
        .gateway = lwip_ntohl(ip4_addr_get_u32(netif_ip4_gw(&interface->netif))),
        .dhcp = interface->dhcp,
        .dhcp_state = interface->dhcp ? dhcp_state_text(dhcp) : "",
        .dropped = interface->dropped,
    };
    memcpy(status->mac, interface->netif.hwaddr, sizeof(status->mac));
    if (dhcp != NULL && status->address != 0) {
        status->dhcp_server = lwip_ntohl(ip4_addr_get_u32(ip_2_ip4(&dhcp->server_ip_addr)));
        status->dhcp_lease_s = dhcp->offered_t0_lease;
    }
    return true;
}
