/* SPDX-License-Identifier: Apache-2.0 */
/* Joins the machine's NICs to the external switches, as their uplinks. Guests and lwIP add their ports themselves. */
#include <devices/nic/nic.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/loop.h>
#include <mgmt/module.h>
#include <net/offload.h>
#include <net/vswitch.h>

/* An Ethernet frame with a VLAN tag, without its check sequence. */
#define WIRE_FRAME_MAX 1518u

struct uplink {
    struct nic *nic;
    struct vswitch_port *port;
};
static struct uplink uplinks[VSWITCH_SWITCHES_MAX];

static bool deliver(void *owner, const struct packet *packet)
{
    const struct uplink *uplink = owner;

    if (packet->offload.gso_type == VIRTIO_NET_GSO_NONE && packet->length > WIRE_FRAME_MAX)
        return false;
    return uplink->nic->transmit(uplink->nic, packet);
}

static void flush(void *owner)
{
    const struct uplink *uplink = owner;

    uplink->nic->kick(uplink->nic);
}

static const struct vswitch_port_operations operations = {.deliver = deliver, .flush = flush};

static void receive(void *user, const struct packet *packet)
{
    const struct uplink *uplink = user;

    vswitch_input(uplink->port, packet);
}

static void receive_end(void *user)
{
    (void)user;
    vswitch_flush();
}

/* A link that is down forgets who was behind it. */
static void link_changed(void *user)
{
    const struct uplink *uplink = user;

    bulkhead_log("%s: link %s", uplink->nic->name, uplink->nic->link_up ? "up" : "down");
    vswitch_port_link(uplink->port, uplink->nic->link_up);
}

static void join(uint32_t switch_id)
{
    const struct switch_config *config = &switches[switch_id];
    struct nic *nic = nic_get(config->uplink);
    struct uplink *uplink = &uplinks[switch_id];

    if (!nic || nic->user) {
        bulkhead_log("switch %s: NIC %u %s", config->name, config->uplink,
                     nic ? "is another switch's uplink" : "is not there; it has no uplink");
        return;
    }
    uplink->nic = nic;
    uplink->port = vswitch_port_add(switch_id, nic->name, NULL, &operations, uplink);
    if (!uplink->port)
        return;
    vswitch_port_offloads(uplink->port, (nic->has_checksum ? VSWITCH_CHECKSUM : 0) |
                                            (nic->has_tso4 ? VSWITCH_TSO4 : 0) | (nic->has_tso6 ? VSWITCH_TSO6 : 0));
    nic->user = uplink;
    nic->receive_end = receive_end;
    nic->receive = receive;
    nic->link_changed = link_changed;
    vswitch_port_link(uplink->port, nic->link_up);
    bulkhead_log("switch %s: uplink %s%s", config->name, nic->name, nic->link_up ? "" : ", link down");
}

static void tick(struct loop_timer *timer)
{
    vswitch_tick();
    loop_timer_set(timer, VSWITCH_TICK_S * 1000000000ull);
}
static struct loop_timer ageing = {.run = tick};

static void vswitch_start(void)
{
    for (uint32_t i = 0; i < switch_count && i < VSWITCH_SWITCHES_MAX; i++) {
        if (switches[i].kind == SWITCH_EXTERNAL)
            join(i);
    }
    tick(&ageing);
}

MODULE(MODULE_SERVICE, vswitch, vswitch_start);
