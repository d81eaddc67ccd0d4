/* SPDX-License-Identifier: Apache-2.0 */
/* Frames to and from the first NIC, for the tests of NIC drivers: behind nic.c, fake_pci.h and cmocka.h. */
#ifndef TESTS_UNIT_NIC_FRAMES_H
#define TESTS_UNIT_NIC_FRAMES_H

/* What the NIC handed over: the last frame, and how often it did what. */
static struct packet received;
static uint8_t received_bytes[4096];
static uint32_t receptions, ends, link_changes;

static void receive(void *user, const struct packet *packet)
{
    assert_ptr_equal(user, &receptions);
    received = *packet;
    segments_read(packet->segment, packet->segments, 0, received_bytes, sizeof received_bytes);
    receptions++;
}

static void receive_end(void *user)
{
    (void)user;
    ends++;
}

static void link_changed(void *user)
{
    (void)user;
    link_changes++;
}

static struct nic *nic(void)
{
    return nic_get(0);
}

/* Behind the driver's start: the NIC, if there is one, hands over to this file. */
static void nic_join(void)
{
    receptions = ends = link_changes = 0;
    if (nic()) {
        nic()->receive = receive;
        nic()->receive_end = receive_end;
        nic()->link_changed = link_changed;
        nic()->user = &receptions;
    }
    fake_run();
}

static void make_frame(uint8_t *frame, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        frame[i] = (uint8_t)(i * 11 + 3);
}

/* The last frame that came is this one. */
static void assert_received(uint32_t count, const uint8_t *frame, uint32_t length)
{
    assert_int_equal(receptions, count);
    assert_int_equal(received.length, length);
    assert_memory_equal(received_bytes, frame, length);
    assert_memory_equal(received.head, frame, length < PACKET_HEAD ? length : PACKET_HEAD);
}

/* A frame to send, in three pieces. */
static struct packet packet;
static struct segment segment[3];

static void pack(void *frame, uint32_t length)
{
    uint32_t first = length / 3, second = length / 2;

    segment[0] = (struct segment){frame, first};
    segment[1] = (struct segment){(uint8_t *)frame + first, second - first};
    segment[2] = (struct segment){(uint8_t *)frame + second, length - second};
    packet = (struct packet){.length = length, .segments = 3, .segment = segment};
}

#endif
