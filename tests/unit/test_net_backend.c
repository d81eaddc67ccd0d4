/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-net between guests that keep the rules, and guests that do not. */
#include "fake_guests.h"
#include <devices/virtio/net.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define RED 0u
#define GREEN 1u
#define BLUE 2u
#define RECEIVE 0u
#define TRANSMIT 1u

#define BASIC (VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC | VIRTIO_NET_F_MAC)
#define SENDER (VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6)
#define RECEIVER (VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6)
#define LINUX (BASIC | SENDER | RECEIVER | VIRTIO_NET_F_MRG_RXBUF)
#define SENT 0x80000u /* where frames to be sent lie in a guest's memory */

static int setup(void **state)
{
    (void)state;
    guests_begin();
    return 0;
}

static void give_buffers(uint32_t guest, uint32_t count, uint32_t size)
{
    for (uint32_t i = 0; i < count; i++) {
        guest_describe(guest, GUEST_DESCRIPTORS(RECEIVE), i, GUEST_BASE + GUEST_BUFFERS + i * size, size,
                       VIRTIO_DESCRIPTOR_WRITE, 0);
        guest_offer(guest, RECEIVE, (uint16_t)i);
    }
}

static const uint8_t macs[GUESTS][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 3}};
static const uint8_t outside[6] = {6, 0, 0, 0, 0, 9};

/* A TCP/IPv4 frame of `length` bytes with its offload header in front, at SENT. */
static uint8_t *write_frame(uint32_t guest, const uint8_t *to, uint32_t length, struct virtio_net_header header)
{
    uint8_t *at = guests[guest].memory + SENT, *frame = at + sizeof(header);

    memcpy(at, &header, sizeof(header));
    for (uint32_t i = 0; i < length; i++)
        frame[i] = (uint8_t)(i ^ i >> 8);
    memcpy(frame, to, 6);
    memcpy(frame + 6, macs[guest], 6);
    memcpy(frame + 12, "\x08\x00\x45", 3);
    frame[23] = 6;
    if (length > 47) {
        frame[46] = 0x50;
        frame[47] = 0x18;
    }
    return frame;
}

/* One chain: header and the first bytes together, the rest in pieces of `piece` bytes, through a table of its own. */
static void send_chain(uint32_t guest, uint32_t length, uint32_t first, uint32_t piece)
{
    uint32_t total = length + (uint32_t)sizeof(struct virtio_net_header), at = first < total ? first : total, count = 1;

    guest_describe(guest, GUEST_TABLE, 0, GUEST_BASE + SENT, at, at < total ? VIRTIO_DESCRIPTOR_NEXT : 0, 1);
    while (at < total) {
        uint32_t here = total - at < piece ? total - at : piece;

        guest_describe(guest, GUEST_TABLE, count, GUEST_BASE + SENT + at, here,
                       at + here < total ? VIRTIO_DESCRIPTOR_NEXT : 0, (uint16_t)(count + 1));
        at += here;
        count++;
    }
    guest_describe(guest, GUEST_DESCRIPTORS(TRANSMIT), 0, GUEST_BASE + GUEST_TABLE, count * 16,
                   VIRTIO_DESCRIPTOR_INDIRECT, 0);
    guest_offer(guest, TRANSMIT, 0);
}

static void send(uint32_t guest, const uint8_t *to, uint32_t length, struct virtio_net_header header)
{
    write_frame(guest, to, length, header);
    send_chain(guest, length, 78, 4096);
    guest_ring(guest, 1u << TRANSMIT);
}

/* The next received frame, put together; 0: none. */
static uint8_t received[70000];
static struct virtio_net_header received_header;
static uint32_t receive(uint32_t guest)
{
    const struct virtio_used *used = guest_used(guest, RECEIVE);
    uint32_t total = 0, buffers = 1;

    for (uint32_t i = 0; i < buffers; i++) {
        const struct virtio_used_element *element = &used->ring[guests[guest].seen % GUEST_QUEUE_SIZE];
        const struct virtio_descriptor *descriptor;

        if (guests[guest].seen == used->index)
            return 0;
        descriptor = (struct virtio_descriptor *)(guests[guest].memory + GUEST_DESCRIPTORS(RECEIVE)) + element->head;
        assert_true(element->length <= descriptor->length);
        memcpy(received + total, guests[guest].memory + (descriptor->address - GUEST_BASE), element->length);
        total += element->length;
        guests[guest].seen++;
        memcpy(&received_header, received, sizeof(received_header));
        buffers = received_header.buffers;
    }
    return total - (uint32_t)sizeof(received_header);
}

static const uint8_t *received_frame(void)
{
    return received + sizeof(received_header);
}

static struct vswitch_port_counters counters(uint32_t guest)
{
    struct vswitch_port_view view;

    assert_true(vswitch_port_view(guest, &view));
    return view.counters;
}

static void test_frame_goes_across(void **state)
{
    uint8_t *frame;

    (void)state;
    guest_start(RED, LINUX);
    guest_start(GREEN, LINUX);
    give_buffers(GREEN, 4, 2048);
    for (uint32_t length = 14; length < 1514; length += 50) {
        send(RED, macs[GREEN], length, (struct virtio_net_header){});
        frame = guests[RED].memory + SENT + 12;
        assert_int_equal(receive(GREEN), length);
        assert_memory_equal(received_frame(), frame, length);
        assert_int_equal(received_header.flags | received_header.gso_type, 0);
        assert_int_equal(received_header.buffers, 1);
        give_buffers(GREEN, 1, 2048);
    }
}

static void test_one_interrupt_a_burst(void **state)
{
    (void)state;
    guest_start(RED, LINUX);
    guest_start(GREEN, LINUX);
    give_buffers(GREEN, 10, 2048);
    write_frame(RED, macs[GREEN], 100, (struct virtio_net_header){});
    for (uint32_t i = 0; i < 8; i++)
        send_chain(RED, 100, 78, 4096);
    guest_ring(RED, 1u << TRANSMIT);
    assert_int_equal(guest_used(GREEN, RECEIVE)->index, 8);
    assert_int_equal(guest_used(RED, TRANSMIT)->index, 8);
    assert_int_equal(guests[GREEN].signals, 1);
    assert_int_equal(guests[RED].signals, 0); /* nobody waits for that */
    guests_wait(99999);
    assert_int_equal(guests[RED].signals, 0);
    guests_wait(1);
    assert_int_equal(guests[RED].signals, 1);
    guests_wait(1000000);
    assert_int_equal(guests[RED].signals, 1);

    /* An answer brings the news with it. */
    give_buffers(RED, 4, 2048);
    *(&guest_available(RED, TRANSMIT)->ring[GUEST_QUEUE_SIZE]) = 8;
    send(RED, macs[GREEN], 100, (struct virtio_net_header){});
    send(GREEN, macs[RED], 100, (struct virtio_net_header){});
    assert_int_equal(guests[RED].signals, 2);
    guests_wait(1000000);
    assert_int_equal(guests[RED].signals, 2);
}

static void test_notifications_stay_off_until_the_queue_is_dry(void **state)
{
    uint16_t *avail_event = (uint16_t *)&guest_used(RED, TRANSMIT)->ring[GUEST_QUEUE_SIZE];

    (void)state;
    guest_start(RED, LINUX);
    send(RED, macs[GREEN], 100, (struct virtio_net_header){});
    assert_int_equal(*avail_event, 1);
    write_frame(RED, macs[GREEN], 100, (struct virtio_net_header){});
    for (uint32_t i = 0; i < 40; i++)
        send_chain(RED, 100, 78, 4096);
    guest_ring(RED, 1u << TRANSMIT);
    assert_int_equal(guest_used(RED, TRANSMIT)->index, 41);
    assert_int_equal(*avail_event, 41);
}

static const struct virtio_net_header tso = {
    .flags = 1, .gso_type = 1, .header_length = 54, .gso_size = 1400, .csum_start = 34, .csum_offset = 16};

static void test_tso_frame_stays_whole(void **state)
{
    static uint8_t sent[65000];

    (void)state;
    guest_start(RED, LINUX);
    guest_start(GREEN, LINUX);
    give_buffers(GREEN, 20, 4096);
    memcpy(sent, write_frame(RED, macs[GREEN], sizeof(sent), tso), sizeof(sent));
    send_chain(RED, sizeof(sent), 78, 4096);
    guest_ring(RED, 1u << TRANSMIT);
    assert_int_equal(receive(GREEN), sizeof(sent));
    assert_memory_equal(received_frame(), sent, sizeof(sent));
    assert_int_equal(received_header.buffers, 16);
    assert_int_equal(received_header.gso_type, 1);
    assert_int_equal(received_header.gso_size, 1400);
    assert_int_equal(received_header.csum_start, 34);
    assert_int_equal(received_header.flags, 1);
}

static void test_receiver_without_tso_gets_segments(void **state)
{
    uint32_t count = 0, length, payload = 0;

    (void)state;
    guest_start(RED, LINUX);
    guest_start(BLUE, BASIC); /* one plain buffer a frame */
    give_buffers(BLUE, 30, 1526);
    send(RED, macs[BLUE], 54 + 14000, tso);
    while ((length = receive(BLUE)) != 0) {
        assert_int_equal(received_header.flags | received_header.gso_type, 0);
        assert_int_equal(received_header.buffers, 1);
        payload += length - 54;
        count++;
    }
    assert_int_equal(count, 10);
    assert_int_equal(payload, 14000);
    send(RED, outside, 54 + 2800, tso);
    assert_int_equal(uplink_count, 2);
    assert_int_equal(uplink_frames[1].length, 1454);
    assert_int_equal(uplink_frames[1].offload.gso_type, 0);
}

static void test_no_room_takes_nothing(void **state)
{
    struct vswitch_port_counters before = counters(GREEN);

    (void)state;
    guest_start(RED, LINUX);
    guest_start(GREEN, LINUX);
    give_buffers(GREEN, 3, 4096);
    send(RED, macs[GREEN], 30000, tso);
    assert_int_equal(guest_used(GREEN, RECEIVE)->index, 0);
    assert_int_equal(counters(GREEN).tx_dropped, before.tx_dropped + 1);
    assert_int_equal(guest_used(RED, TRANSMIT)->index, 1); /* the sender goes on */
    send(RED, macs[GREEN], 12000, tso);
    assert_int_equal(receive(GREEN), 12000);
    assert_int_equal(received_header.buffers, 3);
    send(RED, macs[GREEN], 100, (struct virtio_net_header){});
    assert_int_equal(receive(GREEN), 0);
    give_buffers(GREEN, 1, 4096);
    send(RED, macs[GREEN], 100, (struct virtio_net_header){});
    assert_int_equal(receive(GREEN), 100);
}

static void test_uplink_to_guest(void **state)
{
    uint8_t frame[100] = {0};

    (void)state;
    guest_start(RED, LINUX);
    give_buffers(RED, 2, 2048);
    memcpy(frame, macs[RED], 6);
    memcpy(frame + 6, outside, 6);
    uplink_input(frame, sizeof(frame));
    assert_int_equal(receive(RED), sizeof(frame));
    assert_memory_equal(received_frame(), frame, sizeof(frame));
    assert_int_equal(guests[RED].signals, 1);
}

static void test_frames_that_are_none(void **state)
{
    static const struct virtio_net_header wrong[] = {
        {.flags = 1, .csum_start = 99, .csum_offset = 2},
        {.gso_type = 1, .gso_size = 100},
        {.flags = 1, .gso_type = 3, .gso_size = 100, .csum_start = 34, .csum_offset = 6},
    };
    struct vswitch_port_counters before = counters(RED);

    (void)state;
    guest_start(RED, LINUX);
    guest_start(GREEN, LINUX);
    give_buffers(GREEN, 10, 2048);
    for (uint32_t i = 0; i < 3; i++)
        send(RED, macs[GREEN], 100, wrong[i]);
    send(RED, macs[GREEN], 13, (struct virtio_net_header){});
    write_frame(RED, macs[GREEN], 100, (struct virtio_net_header){});
    send_chain(RED, 71, 20, 1); /* as many pieces as the queue has descriptors: more than a packet */
    guest_ring(RED, 1u << TRANSMIT);
    write_frame(RED, macs[GREEN], 70000, tso);
    send_chain(RED, 70000, 78, 4096);
    guest_ring(RED, 1u << TRANSMIT);
    /* Nothing to the device at all. */
    guest_describe(RED, GUEST_DESCRIPTORS(TRANSMIT), 0, GUEST_BASE + SENT, 200, VIRTIO_DESCRIPTOR_WRITE, 0);
    guest_offer(RED, TRANSMIT, 0);
    guest_ring(RED, 1u << TRANSMIT);
    assert_int_equal(receive(GREEN), 0);
    assert_int_equal(counters(RED).malformed, before.malformed + 7);
    assert_int_equal(guest_used(RED, TRANSMIT)->index, 7); /* every chain is given back */
    assert_int_equal(guests[RED].fails, 0);
    send(RED, macs[GREEN], 100, (struct virtio_net_header){.flags = 2}); /* only a device may say that */
    assert_int_equal(receive(GREEN), 100);
    assert_int_equal(received_header.flags, 0);
}

static void test_broken_sender_fails_alone(void **state)
{
    (void)state;
    guest_start(RED, LINUX);
    guest_start(GREEN, LINUX);
    guest_start(BLUE, LINUX);
    give_buffers(GREEN, 4, 2048);
    guest_describe(RED, GUEST_DESCRIPTORS(TRANSMIT), 0, 0, 100, 0, 0);
    guest_offer(RED, TRANSMIT, 0);
    guest_ring(RED, 1u << TRANSMIT);
    assert_int_equal(guests[RED].fails, 1);
    guest_ring(RED, 3);
    assert_int_equal(guests[RED].fails, 1);
    send(BLUE, macs[GREEN], 100, (struct virtio_net_header){});
    assert_int_equal(receive(GREEN), 100);
    guest_reset(RED);
    memset(guests[RED].memory, 0, 0x10000);
    guest_start(RED, LINUX);
    send(RED, macs[GREEN], 60, (struct virtio_net_header){});
    assert_int_equal(receive(GREEN), 60);
}

static void test_broken_receiver_fails_alone(void **state)
{
    (void)state;
    guest_start(RED, LINUX);
    guest_start(GREEN, LINUX);
    guest_describe(GREEN, GUEST_DESCRIPTORS(RECEIVE), 0, GUEST_BASE + GUEST_MEMORY - 10, 2048, VIRTIO_DESCRIPTOR_WRITE,
                   0);
    guest_offer(GREEN, RECEIVE, 0);
    send(RED, macs[GREEN], 100, (struct virtio_net_header){});
    assert_int_equal(guests[GREEN].fails, 1);
    assert_int_equal(guests[RED].fails, 0);
    assert_int_equal(guest_used(RED, TRANSMIT)->index, 1);
    guest_reset(GREEN);
    memset(guests[GREEN].memory, 0, 0x10000);
    guest_start(GREEN, LINUX);
    guest_describe(GREEN, GUEST_DESCRIPTORS(RECEIVE), 0, GUEST_BASE + GUEST_BUFFERS, 2048, 0, 0); /* not writable */
    guest_offer(GREEN, RECEIVE, 0);
    send(RED, macs[GREEN], 100, (struct virtio_net_header){});
    assert_int_equal(guests[GREEN].fails, 1 + 1);
}

static void test_reset_lets_go(void **state)
{
    uint32_t dones;

    (void)state;
    guest_start(RED, LINUX);
    guest_start(GREEN, LINUX);
    give_buffers(GREEN, 4, 2048);
    dones = guests[GREEN].reset_dones;
    guest_reset(GREEN);
    assert_int_equal(guests[GREEN].reset_dones, dones + 1);
    send(RED, macs[GREEN], 100, (struct virtio_net_header){});
    assert_int_equal(guest_used(GREEN, RECEIVE)->index, 0);
    guest_ring(GREEN, 3);
    send(RED, macs[GREEN], 100, (struct virtio_net_header){}); /* and an interrupt that was due does not come */
    guest_reset(RED);
    guests[RED].signals = 0;
    guests_wait(1000000);
    assert_int_equal(guests[RED].signals, 0);
}

static void test_driver_without_version_1_fails(void **state)
{
    (void)state;
    guest_start(RED, LINUX & ~VIRTIO_F_VERSION_1);
    assert_int_equal(guests[RED].fails, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_frame_goes_across, setup),
        cmocka_unit_test_setup(test_one_interrupt_a_burst, setup),
        cmocka_unit_test_setup(test_notifications_stay_off_until_the_queue_is_dry, setup),
        cmocka_unit_test_setup(test_tso_frame_stays_whole, setup),
        cmocka_unit_test_setup(test_receiver_without_tso_gets_segments, setup),
        cmocka_unit_test_setup(test_no_room_takes_nothing, setup),
        cmocka_unit_test_setup(test_uplink_to_guest, setup),
        cmocka_unit_test_setup(test_frames_that_are_none, setup),
        cmocka_unit_test_setup(test_broken_sender_fails_alone, setup),
        cmocka_unit_test_setup(test_broken_receiver_fails_alone, setup),
        cmocka_unit_test_setup(test_reset_lets_go, setup),
        cmocka_unit_test_setup(test_driver_without_version_1_fails, setup),
    };

    return cmocka_run_group_tests_name("net_backend", tests, NULL, NULL);
}
