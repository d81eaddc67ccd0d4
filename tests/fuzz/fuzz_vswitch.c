/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any frames into the vSwitch. What comes out is judged: a frame reaches only ports of its switch, of its VLAN, in the
 * form that they carry; never its own port, never from uplink to uplink, and never with a length that is not its own.
 */
#include <net/vswitch.h>
#include <stdlib.h>
#include <string.h>

enum { ACCESS_0, ACCESS_10, ACCESS_10_TOO, TRUNK, UPLINK, UPLINK_TOO, OTHER_SWITCH, PORTS };

static const struct vlan_range ranges[] = {{10, 20}, {100, 100}, {0, 0}};
static const struct port_config configs[] = {
    [ACCESS_0] = {.mode = PORT_ACCESS, .mac = {2, 0, 0, 0, 0, 1}},
    [ACCESS_10] = {.mode = PORT_ACCESS, .vlan = 10, .mac = {2, 0, 0, 0, 0, 2}},
    [ACCESS_10_TOO] = {.mode = PORT_ACCESS, .vlan = 10, .mac = {2, 0, 0, 0, 0, 3}},
    [TRUNK] = {.mode = PORT_TRUNK, .vlan = 20, .allowed = ranges, .mac = {2, 0, 0, 0, 0, 4}},
    [OTHER_SWITCH] = {.mode = PORT_ACCESS, .mac = {2, 0, 0, 0, 0, 5}},
};
static struct vswitch_port *joined[PORTS];
static uint32_t sender, sent_vlan, sent_tagged, made;
static uint8_t out[70000];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(int condition)
{
    if (!condition)
        abort();
}

static bool deliver(void *owner, const struct packet *packet)
{
    uint32_t to = (uint32_t)(uintptr_t)owner;
    bool tagged;
    uint32_t vlan = 0;

    expect(segments_read(packet->segment, packet->segments, 0, out, sizeof(out)) == packet->length);
    expect(packet->length >= PACKET_LENGTH_MIN && packet->length <= PACKET_LENGTH_MAX);
    expect(memcmp(out, packet->head, packet->length < PACKET_HEAD ? packet->length : PACKET_HEAD) == 0);
    expect(to != sender && to != OTHER_SWITCH && sender != OTHER_SWITCH);
    expect(sender < UPLINK || sender > UPLINK_TOO || to < UPLINK || to > UPLINK_TOO);
    tagged = out[12] == 0x81 && out[13] == 0x00;
    if (tagged)
        vlan = (uint32_t)(out[14] & 15) << 8 | out[15];
    switch (to) {
    case ACCESS_0:
        expect(!tagged && sent_vlan == 0);
        break;
    case ACCESS_10:
    case ACCESS_10_TOO:
        expect(!tagged && sent_vlan == 10);
        break;
    case TRUNK:
        expect(tagged ? vlan == sent_vlan && vlan != 20 && ((vlan >= 10 && vlan <= 20) || vlan == 100)
                      : sent_vlan == 20);
        break;
    default:
        expect(tagged ? vlan == sent_vlan && vlan != 0 : sent_vlan == 0);
        break;
    }
    made++;
    return made % 7 != 0;
}

static void flush(void *owner)
{
    (void)owner;
}

static const struct vswitch_port_operations operations = {.deliver = deliver, .flush = flush};

static void make_ports(void)
{
    for (uint32_t i = 0; i < PORTS; i++) {
        const struct port_config *config = i == UPLINK || i == UPLINK_TOO ? NULL : &configs[i];

        joined[i] = vswitch_port_add(i == OTHER_SWITCH, "port", config, &operations, (void *)(uintptr_t)i);
    }
}

/* Which VLAN the frame belongs to, by the rules in the configuration and not in the switch. */
static void classify(const struct packet *packet)
{
    static const uint32_t native[PORTS] = {[ACCESS_10] = 10, [ACCESS_10_TOO] = 10, [TRUNK] = 20};

    sent_vlan = native[sender];
    sent_tagged = packet->length >= 16 && packet->head[12] == 0x81 && packet->head[13] == 0x00;
    if (sent_tagged && ((packet->head[14] & 15) | packet->head[15]))
        sent_vlan = (uint32_t)(packet->head[14] & 15) << 8 | packet->head[15];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!joined[0])
        make_ports();
    for (uint32_t i = 0; i < PORTS; i++) {
        vswitch_port_link(joined[i], false);
        vswitch_port_link(joined[i], true);
        vswitch_port_offloads(joined[i], 0);
    }
    while (size > 6) {
        struct packet packet = {0};
        struct segment segments[4];
        uint32_t length = data[1], head, piece;

        sender = data[0] % PORTS;
        if (data[0] & 0x40)
            vswitch_port_offloads(joined[data[2] % PORTS], data[3] & 15);
        if (data[0] & 0x80)
            packet.offload = (struct virtio_net_header){.flags = 1,
                                                        .gso_type = data[2] & 0x85,
                                                        .gso_size = data[3],
                                                        .csum_start = data[4],
                                                        .csum_offset = data[5]};
        if (data[0] & 0x20)
            vswitch_port_link(joined[data[4] % PORTS], data[5] & 1);
        if (data[0] & 0x10)
            vswitch_tick();
        data += 6;
        size -= 6;
        if (length > size)
            length = (uint32_t)size;
        packet.length = length;
        head = length < PACKET_HEAD ? length : PACKET_HEAD;
        memcpy(packet.head, data, head);
        piece = (length - head) / 3;
        segments[0] = (struct segment){packet.head, head};
        segments[1] = (struct segment){(void *)(uintptr_t)(data + head), piece};
        segments[2] = (struct segment){(void *)(uintptr_t)(data + head + piece), 0};
        segments[3] = (struct segment){(void *)(uintptr_t)(data + head + piece), length - head - piece};
        packet.segments = 4;
        packet.segment = segments;
        classify(&packet);
        vswitch_input(joined[sender], &packet);
        vswitch_flush();
        data += length;
        size -= length;
    }
    return 0;
}
