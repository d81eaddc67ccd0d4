/* SPDX-License-Identifier: Apache-2.0 */
/* The vSwitch: learning, flooding, VLANs, protection of addresses, isolation of switches, counters. */
#include <net/vswitch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { LAN, BACKPLANE, VLANS }; /* switches */
/* Ports: three guests and two uplinks on LAN; two guests on BACKPLANE; two of VLAN 10, one of 20, a trunk and an uplink
 * on VLANS. */
enum {
    A,
    B,
    C,
    UPLINK,
    UPLINK_2,
    PRIVATE_1,
    PRIVATE_2,
    ACCESS_10,
    ACCESS_10_TOO,
    ACCESS_20,
    TRUNK,
    TRUNK_UPLINK,
    PORTS
};

struct end {
    struct vswitch_port *port;
    struct port_config config;
    uint32_t frames, flushes, length;
    bool full;
    struct virtio_net_header offload;
    uint8_t frame[2048];
};
static struct end ends[PORTS];

static bool deliver(void *owner, const struct packet *packet)
{
    struct end *end = owner;

    if (end->full)
        return false;
    end->frames++;
    end->length = packet->length;
    end->offload = packet->offload;
    memset(end->frame, 0, sizeof(end->frame));
    assert_int_equal(segments_read(packet->segment, packet->segments, 0, end->frame, sizeof(end->frame)),
                     packet->length < sizeof(end->frame) ? packet->length : sizeof(end->frame));
    assert_memory_equal(end->frame, packet->head, packet->length < PACKET_HEAD ? packet->length : PACKET_HEAD);
    return true;
}

static void flush(void *owner)
{
    struct end *end = owner;

    end->flushes++;
}

static const struct vswitch_port_operations operations = {.deliver = deliver, .flush = flush};

static const struct vlan_range trunk_ranges[] = {{10, 12}, {30, 30}, {0, 0}};

static void add(int index, uint32_t switch_id, uint8_t mode, uint16_t vlan)
{
    struct end *end = &ends[index];

    end->config = (struct port_config){
        .mode = mode, .vlan = vlan, .allowed = trunk_ranges, .mac = {2, 0, 0, 0, 0, (uint8_t)(index + 1)}};
    end->port = vswitch_port_add(switch_id, "guest", &end->config, &operations, end);
    vswitch_port_link(end->port, true);
}

static void add_uplink(int index, uint32_t switch_id)
{
    ends[index].port = vswitch_port_add(switch_id, "uplink", NULL, &operations, &ends[index]);
    vswitch_port_link(ends[index].port, true);
}

static int make_ports(void **state)
{
    (void)state;
    add(A, LAN, PORT_ACCESS, 0);
    add(B, LAN, PORT_ACCESS, 0);
    add(C, LAN, PORT_ACCESS, 0);
    add_uplink(UPLINK, LAN);
    add_uplink(UPLINK_2, LAN);
    add(PRIVATE_1, BACKPLANE, PORT_ACCESS, 0);
    add(PRIVATE_2, BACKPLANE, PORT_ACCESS, 0);
    add(ACCESS_10, VLANS, PORT_ACCESS, 10);
    add(ACCESS_10_TOO, VLANS, PORT_ACCESS, 10);
    add(ACCESS_20, VLANS, PORT_ACCESS, 20);
    add(TRUNK, VLANS, PORT_TRUNK, 20);
    add_uplink(TRUNK_UPLINK, VLANS);
    return 0;
}

static int forget(void **state)
{
    (void)state;
    for (int i = 0; i < PORTS; i++) {
        vswitch_port_link(ends[i].port, false);
        vswitch_port_link(ends[i].port, true);
        vswitch_port_offloads(ends[i].port, 0);
        ends[i].frames = ends[i].flushes = 0;
        ends[i].full = false;
    }
    vswitch_flush();
    for (int i = 0; i < PORTS; i++)
        ends[i].flushes = 0;
    return 0;
}

#define BROADCAST 0xffffffffffffull
#define MAC(index) (0x020000000000ull + (index) + 1)
#define STRANGER(n) (0x060000000000ull + (n))
#define NO_TAG -1

static void put_address(uint8_t *to, uint64_t address)
{
    for (int i = 5; i >= 0; i--, address >>= 8)
        to[i] = (uint8_t)address;
}

/* A frame of `length` bytes as a guest's: the head apart, the rest in two pieces. */
static uint8_t body[70000];
static void send_with(int from, uint64_t destination, uint64_t source, int tag, uint32_t length,
                      struct virtio_net_header offload)
{
    struct packet packet = {.offload = offload, .length = length};
    uint32_t head = length < PACKET_HEAD ? length : PACKET_HEAD, at = 12;
    struct segment segments[3];

    for (uint32_t i = 0; i < length; i++)
        body[i] = (uint8_t)(i * 7);
    put_address(body, destination);
    put_address(body + 6, source);
    if (tag != NO_TAG) {
        body[at++] = 0x81;
        body[at++] = 0x00;
        body[at++] = (uint8_t)(tag >> 8);
        body[at++] = (uint8_t)tag;
    }
    body[at++] = 0x08;
    body[at++] = 0x00;
    memcpy(packet.head, body, head);
    segments[0] = (struct segment){packet.head, head};
    segments[1] = (struct segment){body + head, (length - head) / 3};
    segments[2] = (struct segment){body + head + (length - head) / 3, length - head - (length - head) / 3};
    packet.segment = segments;
    packet.segments = 3;
    vswitch_input(ends[from].port, &packet);
}

static void send(int from, uint64_t destination, uint64_t source, int tag)
{
    send_with(from, destination, source, tag, 200, (struct virtio_net_header){});
}

/* Asserts that exactly the ports in the mask got one frame, and forgets that. */
#define assert_got(mask) assert_got_(mask, __LINE__)
static void assert_got_(uint32_t mask, int line)
{
    for (int i = 0; i < PORTS; i++) {
        if (ends[i].frames != (mask >> i & 1))
            fail_msg("line %d: port %d got %u frames", line, i, ends[i].frames);
        ends[i].frames = 0;
    }
}
#define P(index) (1u << (index))

static struct vswitch_port_view view_of(int index)
{
    struct vswitch_port_view view;

    assert_true(vswitch_port_view((uint32_t)index, &view));
    return view;
}

static void test_learns_and_floods(void **state)
{
    (void)state;
    send(A, BROADCAST, MAC(A), NO_TAG);
    assert_got(P(B) | P(C) | P(UPLINK) | P(UPLINK_2));
    send(B, STRANGER(1), MAC(B), NO_TAG); /* unknown */
    assert_got(P(A) | P(C) | P(UPLINK) | P(UPLINK_2));
    send(UPLINK, MAC(A), STRANGER(1), NO_TAG);
    assert_got(P(A));
    send(B, STRANGER(1), MAC(B), NO_TAG); /* known now */
    assert_got(P(UPLINK));
    send(C, 0x01005e000001, MAC(C), NO_TAG); /* multicast */
    assert_got(P(A) | P(B) | P(UPLINK) | P(UPLINK_2));
    send(UPLINK_2, MAC(A), STRANGER(1), NO_TAG); /* it moved */
    assert_got(P(A));
    send(B, STRANGER(1), MAC(B), NO_TAG);
    assert_got(P(UPLINK_2));
}

static void test_configured_address_needs_no_learning(void **state)
{
    (void)state;
    send(A, MAC(C), MAC(A), NO_TAG);
    assert_got(P(C));
    vswitch_port_link(ends[C].port, false);
    send(A, MAC(C), MAC(A), NO_TAG); /* for nobody else while its port is down */
    assert_got(0);
}

static void test_frame_for_its_own_port_stays(void **state)
{
    (void)state;
    send(A, BROADCAST, STRANGER(7), NO_TAG);
    assert_got(P(B) | P(C) | P(UPLINK) | P(UPLINK_2));
    send(A, STRANGER(7), MAC(A), NO_TAG);
    assert_got(0);
}

static void test_no_loop_between_uplinks(void **state)
{
    (void)state;
    send(UPLINK, BROADCAST, STRANGER(2), NO_TAG);
    assert_got(P(A) | P(B) | P(C));
    send(UPLINK_2, STRANGER(2), STRANGER(3), NO_TAG);
    assert_got(0);
}

static void test_private_switch_is_alone(void **state)
{
    (void)state;
    send(PRIVATE_1, BROADCAST, MAC(PRIVATE_1), NO_TAG);
    assert_got(P(PRIVATE_2));
    send(PRIVATE_1, MAC(A), MAC(PRIVATE_1), NO_TAG); /* an address of another switch is nobody's here */
    assert_got(P(PRIVATE_2));
    send(A, MAC(PRIVATE_1), MAC(A), NO_TAG);
    assert_got(P(B) | P(C) | P(UPLINK) | P(UPLINK_2));
}

static void test_address_cannot_be_stolen(void **state)
{
    struct vswitch_port_counters before = view_of(B).counters;

    (void)state;
    send(B, BROADCAST, MAC(A), NO_TAG);
    send(UPLINK, BROADCAST, MAC(A), NO_TAG);
    assert_got(0);
    assert_int_equal(view_of(B).counters.rx_dropped, before.rx_dropped + 1);
    send(C, MAC(A), MAC(C), NO_TAG);
    assert_got(P(A));
}

static void test_frames_that_are_none(void **state)
{
    struct vswitch_port_counters before = view_of(A).counters;

    (void)state;
    send(A, BROADCAST, 0, NO_TAG);
    send(A, 0, MAC(A), NO_TAG);
    send(A, BROADCAST, BROADCAST, NO_TAG);
    send_with(A, BROADCAST, MAC(A), NO_TAG, 13, (struct virtio_net_header){});
    send_with(A, BROADCAST, MAC(A), NO_TAG, PACKET_LENGTH_MAX + 1, (struct virtio_net_header){});
    send_with(TRUNK, BROADCAST, MAC(TRUNK), 10, 17, (struct virtio_net_header){});
    assert_got(0);
    assert_int_equal(view_of(A).counters.malformed, before.malformed + 5);
    send(A, 0x0180c2000000, MAC(A), NO_TAG); /* spanning tree, pause: not a bridge's to forward */
    send(A, 0x0180c200000e, MAC(A), NO_TAG);
    assert_got(0);
    send(A, 0x0180c2000010, MAC(A), NO_TAG);
    assert_got(P(B) | P(C) | P(UPLINK) | P(UPLINK_2));
}

static void test_vlans(void **state)
{
    (void)state;
    send(ACCESS_10, BROADCAST, MAC(ACCESS_10), NO_TAG);
    assert_int_equal(ends[TRUNK].length, 204);
    assert_memory_equal(ends[TRUNK].frame + 12, "\x81\x00\x00\x0a\x08\x00", 6);
    assert_memory_equal(ends[TRUNK].frame + 18, body + 14, 186);
    assert_int_equal(ends[ACCESS_10_TOO].length, 200);
    assert_memory_equal(ends[ACCESS_10_TOO].frame, body, 200);
    assert_got(P(ACCESS_10_TOO) | P(TRUNK) | P(TRUNK_UPLINK));

    send(ACCESS_20, BROADCAST, MAC(ACCESS_20), NO_TAG); /* the trunk's native VLAN: untagged there, tagged outside */
    assert_int_equal(ends[TRUNK].length, 200);
    assert_int_equal(ends[TRUNK_UPLINK].length, 204);
    assert_got(P(TRUNK) | P(TRUNK_UPLINK));

    send(TRUNK, BROADCAST, MAC(TRUNK), 10);
    assert_int_equal(ends[ACCESS_10].length, 196);
    assert_memory_equal(ends[ACCESS_10].frame, body, 12);
    assert_memory_equal(ends[ACCESS_10].frame + 12, body + 16, 184);
    assert_got(P(ACCESS_10) | P(ACCESS_10_TOO) | P(TRUNK_UPLINK));

    send(TRUNK, BROADCAST, MAC(TRUNK), NO_TAG);
    assert_got(P(ACCESS_20) | P(TRUNK_UPLINK));
    send(TRUNK_UPLINK, BROADCAST, STRANGER(5), 20);
    assert_got(P(ACCESS_20) | P(TRUNK));
    send(TRUNK_UPLINK, BROADCAST, STRANGER(5), NO_TAG); /* VLAN 0: nobody has it */
    assert_got(0);
    send(TRUNK_UPLINK, BROADCAST, STRANGER(5), 12);
    assert_got(P(TRUNK));
}

static void test_vlan_of_others_is_dropped(void **state)
{
    struct vswitch_port_counters access = view_of(ACCESS_10).counters, trunk = view_of(TRUNK).counters;

    (void)state;
    send(ACCESS_10, BROADCAST, MAC(ACCESS_10), 10); /* an access port does not speak tags, not even its own */
    send(ACCESS_10, BROADCAST, MAC(ACCESS_10), 20);
    assert_int_equal(view_of(ACCESS_10).counters.vlan_dropped, access.vlan_dropped + 2);
    send(TRUNK, BROADCAST, MAC(TRUNK), 13);
    send(TRUNK, BROADCAST, MAC(TRUNK), 4095);
    assert_int_equal(view_of(TRUNK).counters.vlan_dropped, trunk.vlan_dropped + 2);
    assert_got(0);
    send(ACCESS_10, MAC(ACCESS_20), MAC(ACCESS_10), NO_TAG); /* the address of another VLAN */
    assert_got(0);
}

static void test_priority_tag_is_no_vlan(void **state)
{
    (void)state;
    send(ACCESS_10, MAC(ACCESS_10_TOO), MAC(ACCESS_10), 0xe000);
    assert_int_equal(ends[ACCESS_10_TOO].length, 196);
    assert_got(P(ACCESS_10_TOO));
}

/* A second tag must not appear when the first is taken off, which would put the frame into another VLAN. */
static void test_double_tags_do_not_hop(void **state)
{
    uint8_t inner[4] = {0x81, 0x00, 0x00, 0x1e};
    struct segment segments[1];
    struct packet packet = {.length = 60, .segments = 1, .segment = segments};
    static const int outer[] = {0, 20}; /* none, native */

    (void)state;
    for (size_t i = 0; i < sizeof(outer) / sizeof(outer[0]); i++) {
        put_address(packet.head, BROADCAST);
        put_address(packet.head + 6, MAC(TRUNK));
        memcpy(packet.head + 12, (uint8_t[]){0x81, 0x00, 0x00, (uint8_t)outer[i]}, 4);
        memcpy(packet.head + 16, inner, 4);
        segments[0] = (struct segment){packet.head, 60};
        vswitch_input(ends[TRUNK].port, &packet);
        assert_int_equal(ends[ACCESS_20].frames, 0);
        ends[TRUNK_UPLINK].frames = 0; /* tagged as it came */
        assert_got(0);
    }
    memcpy(packet.head + 12, (uint8_t[]){0x88, 0xa8, 0x00, 0x0a}, 4);
    vswitch_input(ends[TRUNK].port, &packet);
    assert_got(0);
}

static void test_every_length_survives_a_tag_change(void **state)
{
    (void)state;
    for (uint32_t length = 14; length < 160; length++) {
        send_with(ACCESS_10, MAC(TRUNK), MAC(ACCESS_10), NO_TAG, length, (struct virtio_net_header){});
        assert_int_equal(ends[TRUNK].length, length + 4);
        assert_memory_equal(ends[TRUNK].frame + 16, body + 12, length - 12);
        if (length < 18)
            continue;
        send_with(TRUNK, MAC(ACCESS_10), MAC(TRUNK), 10, length, (struct virtio_net_header){});
        assert_int_equal(ends[ACCESS_10].length, length - 4);
        assert_memory_equal(ends[ACCESS_10].frame + 12, body + 16, length - 16);
    }
}

static void test_tag_change_moves_offload_offsets(void **state)
{
    struct virtio_net_header offload = {.flags = VIRTIO_NET_NEEDS_CSUM,
                                        .gso_type = VIRTIO_NET_GSO_TCPV4,
                                        .header_length = 54,
                                        .gso_size = 100,
                                        .csum_start = 34,
                                        .csum_offset = 16};

    (void)state;
    vswitch_port_offloads(ends[TRUNK].port, VSWITCH_CHECKSUM | VSWITCH_TSO4);
    send_with(ACCESS_10, MAC(TRUNK), MAC(ACCESS_10), NO_TAG, 1000, offload);
    assert_got(P(TRUNK));
    assert_int_equal(ends[TRUNK].offload.csum_start, 38);
    assert_int_equal(ends[TRUNK].offload.header_length, 58);
    assert_int_equal(ends[TRUNK].offload.gso_size, 100);
}

/* Else the checksum, stored on the way out, would write another VLAN into the tag. */
static void test_checksum_does_not_write_the_tag(void **state)
{
    struct virtio_net_header offload = {.flags = VIRTIO_NET_NEEDS_CSUM, .csum_start = 14, .csum_offset = 0};
    struct vswitch_port_counters before = view_of(TRUNK).counters;

    (void)state;
    send_with(TRUNK, BROADCAST, MAC(TRUNK), 10, 100, offload);
    assert_got(0);
    assert_int_equal(view_of(TRUNK).counters.malformed, before.malformed + 1);
    offload.csum_start = 18;
    send_with(TRUNK, BROADCAST, MAC(TRUNK), 10, 100, offload);
    assert_got(P(ACCESS_10) | P(ACCESS_10_TOO) | P(TRUNK_UPLINK));
}

static void test_counts_and_flushes(void **state)
{
    struct vswitch_port_counters a = view_of(A).counters, b = view_of(B).counters;

    (void)state;
    for (int i = 0; i < 5; i++)
        send(A, MAC(B), MAC(A), NO_TAG);
    vswitch_flush();
    assert_int_equal(ends[B].flushes, 1);
    assert_int_equal(ends[A].flushes, 0);
    vswitch_flush();
    assert_int_equal(ends[B].flushes, 1);
    ends[B].full = true;
    send(A, MAC(B), MAC(A), NO_TAG);
    assert_int_equal(view_of(A).counters.rx_packets, a.rx_packets + 6);
    assert_int_equal(view_of(A).counters.rx_bytes, a.rx_bytes + 1200);
    assert_int_equal(view_of(B).counters.tx_packets, b.tx_packets + 5);
    assert_int_equal(view_of(B).counters.tx_bytes, b.tx_bytes + 1000);
    assert_int_equal(view_of(B).counters.tx_dropped, b.tx_dropped + 1);
    ends[B].frames = 0;
    assert_string_equal(view_of(UPLINK).name, "uplink");
    assert_true(view_of(UPLINK).uplink);
    assert_int_equal(view_of(ACCESS_20).vlan, 20);
}

static void test_port_that_is_down(void **state)
{
    struct vswitch_port_counters before = view_of(A).counters;

    (void)state;
    send(A, BROADCAST, STRANGER(9), NO_TAG);
    assert_int_equal(view_of(A).addresses, 1);
    vswitch_port_link(ends[A].port, false);
    assert_int_equal(view_of(A).addresses, 0);
    assert_got(P(B) | P(C) | P(UPLINK) | P(UPLINK_2));
    send(A, BROADCAST, MAC(A), NO_TAG);
    assert_got(0);
    assert_int_equal(view_of(A).counters.rx_dropped, before.rx_dropped + 1);
    send(B, BROADCAST, MAC(B), NO_TAG);
    assert_got(P(C) | P(UPLINK) | P(UPLINK_2));
}

/* One port cannot fill the table, and what it floods leaves the others' addresses known. */
static void test_table_is_bounded(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 200; i++)
        send(UPLINK, BROADCAST, STRANGER(100000 + i), NO_TAG);
    for (uint32_t i = 0; i < 20000; i++)
        send(A, BROADCAST, STRANGER(i), NO_TAG);
    assert_int_equal(view_of(A).addresses, 64);
    for (uint32_t i = 0; i < 20000; i++)
        send(UPLINK, BROADCAST, STRANGER(i + 200000), NO_TAG);
    assert_true(view_of(UPLINK).addresses <= VSWITCH_ADDRESSES_MAX / 2);
    for (int i = 0; i < PORTS; i++)
        ends[i].frames = 0;
    send(A, MAC(B), MAC(A), NO_TAG);
    assert_got(P(B));
}

static void test_addresses_age(void **state)
{
    struct vswitch_address_view view;
    uint32_t seen = 0;

    (void)state;
    send(UPLINK, MAC(A), STRANGER(1), NO_TAG);
    assert_got(P(A));
    for (uint32_t i = 0; i < VSWITCH_ADDRESSES_MAX; i++) {
        if (!vswitch_address_view(i, &view))
            continue;
        seen++;
        assert_string_equal(view.port, "uplink");
        assert_int_equal(view.mac[0], 6);
        assert_int_equal(view.age_s, 0);
    }
    assert_int_equal(seen, 1);
    for (uint32_t i = 1; i < VSWITCH_AGE_TICKS; i++)
        vswitch_tick();
    send(A, STRANGER(1), MAC(A), NO_TAG);
    assert_got(P(UPLINK));
    vswitch_tick();
    send(A, STRANGER(1), MAC(A), NO_TAG);
    assert_got(P(B) | P(C) | P(UPLINK) | P(UPLINK_2));
    assert_int_equal(view_of(UPLINK).addresses, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_learns_and_floods, forget),
        cmocka_unit_test_setup(test_configured_address_needs_no_learning, forget),
        cmocka_unit_test_setup(test_frame_for_its_own_port_stays, forget),
        cmocka_unit_test_setup(test_no_loop_between_uplinks, forget),
        cmocka_unit_test_setup(test_private_switch_is_alone, forget),
        cmocka_unit_test_setup(test_address_cannot_be_stolen, forget),
        cmocka_unit_test_setup(test_frames_that_are_none, forget),
        cmocka_unit_test_setup(test_vlans, forget),
        cmocka_unit_test_setup(test_vlan_of_others_is_dropped, forget),
        cmocka_unit_test_setup(test_priority_tag_is_no_vlan, forget),
        cmocka_unit_test_setup(test_double_tags_do_not_hop, forget),
        cmocka_unit_test_setup(test_every_length_survives_a_tag_change, forget),
        cmocka_unit_test_setup(test_tag_change_moves_offload_offsets, forget),
        cmocka_unit_test_setup(test_checksum_does_not_write_the_tag, forget),
        cmocka_unit_test_setup(test_counts_and_flushes, forget),
        cmocka_unit_test_setup(test_port_that_is_down, forget),
        cmocka_unit_test_setup(test_table_is_bounded, forget),
        cmocka_unit_test_setup(test_addresses_age, forget),
    };

    return cmocka_run_group_tests_name("vswitch", tests, make_ports, NULL);
}
