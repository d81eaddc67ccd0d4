/* SPDX-License-Identifier: Apache-2.0 */
/* The drivers of Intel's NICs against a device that behaves, and one that does not. */
#include "devices/nic/nic.c" /* its list of NICs begins anew with each test */
#include "tests/unit/fake_pci.h"
#include <net/checksum.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on
#include "tests/unit/nic_frames.h"

#define E1000E 0x10d38086u
#define IGB 0x10c98086u
#define RING 256u

struct descriptor {
    uint64_t address;
    uint32_t command, status;
};

/* --- The device: registers, and what it was given to send --- */

static uint32_t registers[0x20000 / 4];
static uint32_t rx_base, tx_base, rx_head, tx_head;
static bool igb, hangs, gone, keeps_reset;
static uint32_t link = 2, icr, resets;
static struct descriptor sent[2048];
static uint32_t sent_count;

/* Virtual functions have a test of their own. */
uint32_t igb_virtual_count(const void *nic);
void igb_virtual_start(void *nic);
void igb_virtual_attend(void *nic);
uint32_t igb_virtual_count(const void *nic)
{
    (void)nic;
    return 0;
}
void igb_virtual_start(void *nic)
{
    (void)nic;
}
void igb_virtual_attend(void *nic)
{
    (void)nic;
}

static struct descriptor *ring(uint32_t base)
{
    return (struct descriptor *)(registers[base / 4] | (uint64_t)registers[base / 4 + 1] << 32);
}

static void transmit_all(void)
{
    while (!hangs && tx_head != registers[(tx_base + 0x18) / 4]) {
        struct descriptor *at = &ring(tx_base)[tx_head];

        assert_true(sent_count < 2048);
        sent[sent_count++] = *at;
        if (at->command & 1u << 27)
            at->status |= 1; /* DD */
        tx_head = (tx_head + 1) % RING;
    }
}

uint32_t model_read(uint32_t offset)
{
    if (gone)
        return ~0u;
    switch (offset) {
    case 0x00:
        return registers[0];
    case 0x08:
        return link;
    case 0x10:
        return 0x200;
    case 0xc0: {
        uint32_t causes = icr;

        icr = 0;
        return causes;
    }
    case 0x5400:
        return 0x12005452;
    case 0x5404:
        return 0x80005634;
    default:
        return registers[offset / 4];
    }
}

void model_write(uint32_t offset, uint32_t value)
{
    registers[offset / 4] = value;
    if (offset == 0 && value & 1u << 26) {
        resets++;
        memset(registers, 0, sizeof registers);
        registers[0] = keeps_reset ? 1u << 26 : 0;
        rx_head = tx_head = 0;
    }
    if (offset == tx_base + 0x18)
        transmit_all();
}

static int set_up(uint32_t id)
{
    fake_pci_reset();
    fake_id = id;
    igb = id == IGB;
    rx_base = igb ? 0xc000 : 0x2800;
    tx_base = igb ? 0xe000 : 0x3800;
    memset(registers, 0, sizeof registers);
    hangs = gone = keeps_reset = false;
    link = 2;
    icr = resets = sent_count = rx_head = tx_head = 0;
    nic_count = 0;
    assert_true(igb ? igb_probe(&fake_function) : e1000e_probe(&fake_function));
    nic_join();
    return 0;
}
static int set_up_e1000e(void **state)
{
    (void)state;
    return set_up(E1000E);
}
static int set_up_igb(void **state)
{
    (void)state;
    return set_up(IGB);
}

/* The device receives: into its next descriptor, unless the driver has given it none. */
static bool arrive(const void *frame, uint32_t length, uint32_t status, uint32_t said)
{
    struct descriptor *at = &ring(rx_base)[rx_head];

    if (rx_head == registers[(rx_base + 0x18) / 4])
        return false;
    assert_int_equal(at->command, 0);
    assert_int_equal(at->status, 0);
    memcpy((void *)at->address, frame, length);
    at->status = said;
    at->command = status;
    rx_head = (rx_head + 1) % RING;
    icr |= 0x100000;
    return true;
}

/* --- Tests --- */

static void test_finding_it(void **state)
{
    (void)state;
    assert_non_null(nic());
    assert_memory_equal(nic()->mac, "\x52\x54\x00\x12\x34\x56", 6);
    assert_true(nic()->link_up && nic()->has_checksum && nic()->has_tso4 && nic()->has_tso6);
    assert_int_equal(registers[(rx_base + 8) / 4], RING * 16);
    assert_int_equal(registers[(rx_base + 0x18) / 4], RING - 1);
    assert_true(fake_master);
    fake_id = 0x11118086;
    assert_false(e1000e_probe(&fake_function) || igb_probe(&fake_function));
}

static void test_receiving(void **state)
{
    uint8_t frame[1518];

    (void)state;
    make_frame(frame, sizeof frame);
    for (uint32_t i = 0; i < 3 * RING; i++) {
        uint32_t length = 14 + i * 37 % 1500;

        assert_true(arrive(frame, length, 3, length));
        if (i % 100 == 99 || i == 3 * RING - 1) {
            fake_interrupt();
            fake_run();
            assert_received(i + 1, frame, length);
        }
    }
    assert_int_equal(nic()->rx_packets, 3 * RING);
    assert_true(ends > 0 && ends < 3 * RING);
}

static void test_checksums_that_were_verified(void **state)
{
    static const struct {
        uint32_t status;
        uint8_t flags;
    } cases[] = {
        {0x23, VIRTIO_NET_DATA_VALID}, /* TCP */
        {0x33, 0},                     /* UDP: perhaps a fragment's */
        {0x03, 0},                     /* none */
        {0x27, 0},                     /* to be ignored */
        {0x23 | 1u << 29, 0},          /* wrong */
    };
    uint8_t frame[60];

    (void)state;
    make_frame(frame, sizeof frame);
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        arrive(frame, 60, cases[i].status, 60);
        fake_interrupt();
        fake_run();
        assert_int_equal(receptions, i + 1);
        assert_int_equal(received.offload.flags, cases[i].flags);
        assert_int_equal(received.offload.gso_type, 0);
    }
}

static void test_frames_that_are_none(void **state)
{
    uint8_t frame[60];

    (void)state;
    make_frame(frame, sizeof frame);
    arrive(frame, 60, 3, 2049);          /* longer than the buffer */
    arrive(frame, 60, 3, 0xffff);        /* likewise */
    arrive(frame, 60, 3, 13);            /* shorter than a header */
    arrive(frame, 60, 3 | 1u << 31, 60); /* bad */
    arrive(frame, 60, 1, 2048);          /* goes on */
    arrive(frame, 60, 1, 2048);          /* and on */
    arrive(frame, 60, 3, 60);            /* its end */
    fake_interrupt();
    fake_run();
    assert_int_equal(receptions, 0);
    assert_int_equal(nic()->rx_dropped, 5);
    arrive(frame, 60, 3, 60);
    fake_interrupt();
    fake_run();
    assert_int_equal(receptions, 1);
}

static void check_sent(uint32_t from, const uint8_t *frame, uint32_t length)
{
    for (uint32_t i = from; i < sent_count; i++) {
        uint32_t part = sent[i].command & 0xfffff;

        assert_int_equal(sent[i].command >> 20 & 15, igb ? 3 : 1);
        assert_true(part <= length);
        assert_memory_equal((void *)sent[i].address, frame, part);
        frame += part;
        length -= part;
        assert_int_equal(sent[i].command >> 24 & 1, length == 0);
    }
    assert_int_equal(length, 0);
}

static void test_sending(void **state)
{
    uint8_t frame[1518];

    (void)state;
    make_frame(frame, sizeof frame);
    for (uint32_t i = 0; i < 1000; i++) {
        pack(frame, 60 + i);
        sent_count = 0;
        assert_true(nic()->transmit(nic(), &packet));
        nic()->kick(nic());
        assert_int_equal(sent_count, 1);
        check_sent(0, frame, 60 + i);
    }
    pack(frame, 1518);
    packet.length = 1519; /* not even with a tag */
    assert_false(nic()->transmit(nic(), &packet));
    assert_int_equal(nic()->tx_packets, 1000);
    assert_int_equal(nic()->tx_dropped, 1);
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* Ethernet, perhaps a tag, IPv4 or IPv6, TCP; `length` in all. Where TCP begins. */
static uint32_t make_tcp(uint8_t *frame, uint32_t length, bool tag, bool ipv6)
{
    uint32_t ip = tag ? 18 : 14, tcp = ip + (ipv6 ? 40 : 20);

    make_frame(frame, length);
    if (tag)
        put16(frame + 12, 0x8100);
    put16(frame + ip - 2, ipv6 ? 0x86dd : 0x0800);
    frame[ip] = ipv6 ? 0x60 : 0x45;
    frame[ip + (ipv6 ? 6 : 9)] = 6;
    put16(frame + ip + (ipv6 ? 4 : 2), length - ip - (ipv6 ? 40 : 0));
    frame[tcp + 12] = 0x50;
    return tcp;
}

static void test_checksums(void **state)
{
    uint8_t frame[1518];

    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        uint32_t tcp = make_tcp(frame, 1000, kind & 1, kind & 2), ip = kind & 1 ? 18 : 14;

        pack(frame, 1000);
        packet.offload =
            (struct virtio_net_header){.flags = VIRTIO_NET_NEEDS_CSUM, .csum_start = (uint16_t)tcp, .csum_offset = 16};
        sent_count = 0;
        assert_true(nic()->transmit(nic(), &packet));
        nic()->kick(nic());
        assert_int_equal(sent_count, 2);
        if (igb) {
            assert_int_equal(sent[0].command >> 20 & 15, 2);
            assert_int_equal(sent[0].address, ip << 9 | (tcp - ip));
            assert_int_equal(sent[1].status >> 14, 1000);
        } else {
            assert_int_equal(sent[0].command >> 20 & 15, 0);
            assert_int_equal(sent[0].address >> 32, tcp | (tcp + 16) << 8);
        }
        assert_int_equal(sent[1].status & 0x300, 0x200); /* the transport's checksum, not IP's */
        check_sent(1, frame, 1000);
    }
}

/* A checksum of something else: done here, and the frame is sent whole. */
static void test_checksums_that_the_device_cannot_do(void **state)
{
    uint8_t frame[200];
    struct checksum sum = {0};
    uint16_t value;

    (void)state;
    make_tcp(frame, 200, false, false);
    pack(frame, 200);
    packet.offload = (struct virtio_net_header){.flags = VIRTIO_NET_NEEDS_CSUM, .csum_start = 60, .csum_offset = 4};
    checksum_add(&sum, frame + 60, 140);
    value = checksum_finish(&sum);
    assert_true(nic()->transmit(nic(), &packet));
    nic()->kick(nic());
    assert_int_equal(sent_count, 1);
    memcpy(frame + 64, &value, 2);
    check_sent(0, frame, 200);
    assert_int_equal(nic()->tx_packets, 1);
}

static uint16_t pseudo_sum(const uint8_t *frame, uint32_t ip, bool ipv6)
{
    const uint8_t protocol[2] = {0, 6};
    struct checksum sum = {0};

    checksum_add(&sum, frame + ip + (ipv6 ? 8 : 12), ipv6 ? 32 : 8);
    checksum_add(&sum, protocol, 2);
    return (uint16_t)~checksum_finish(&sum);
}

static void test_segmentation(void **state)
{
    uint8_t *frame = malloc(65535);

    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        bool ipv6 = kind & 2;
        uint32_t length = 60000, tcp = make_tcp(frame, length, kind & 1, ipv6), ip = kind & 1 ? 18 : 14;
        uint32_t payload = tcp + 20;
        uint16_t sum;

        pack(frame, length);
        packet.offload = (struct virtio_net_header){.flags = VIRTIO_NET_NEEDS_CSUM,
                                                    .gso_type = ipv6 ? VIRTIO_NET_GSO_TCPV6 : VIRTIO_NET_GSO_TCPV4,
                                                    .gso_size = 1400,
                                                    .csum_start = (uint16_t)tcp,
                                                    .csum_offset = 16};
        sent_count = 0;
        assert_true(nic()->transmit(nic(), &packet));
        nic()->kick(nic());
        assert_int_equal(sent_count, 1 + (length + 2047) / 2048);
        assert_int_equal(sent[0].status >> 16, 1400);
        if (igb) {
            assert_int_equal(sent[0].status >> 8 & 0xff, 20);
            assert_int_equal(sent[1].status >> 14, length - payload);
            assert_true(sent[1].command & 1u << 31);
        } else {
            assert_int_equal(sent[0].status >> 8 & 0xff, payload);
            assert_int_equal(sent[0].command & 0xfffff, length - payload);
            assert_true(sent[1].command & 1u << 26);
        }
        assert_int_equal(sent[1].status & 0x300, ipv6 ? 0x200 : 0x300);
        /* The headers as it wants them; all else as it was. */
        put16(frame + ip + (ipv6 ? 4 : 2), 0);
        if (!ipv6)
            put16(frame + ip + 10, 0);
        sum = pseudo_sum(frame, ip, ipv6);
        memcpy(frame + tcp + 16, &sum, 2);
        check_sent(1, frame, length);
    }
    assert_int_equal(nic()->tx_packets, 4);
    free(frame);
}

/* Small segments are made in software, and so many that a guest has us send thousands of frames by one are not. */
static void test_segments_that_the_device_cannot_make(void **state)
{
    uint8_t *frame = malloc(65535);
    uint32_t tcp = make_tcp(frame, 60000, false, false);

    (void)state;
    pack(frame, 60000);
    packet.offload = (struct virtio_net_header){.flags = VIRTIO_NET_NEEDS_CSUM,
                                                .gso_type = VIRTIO_NET_GSO_TCPV4,
                                                .gso_size = 1,
                                                .csum_start = (uint16_t)tcp,
                                                .csum_offset = 16};
    assert_false(nic()->transmit(nic(), &packet));
    packet.offload.gso_size = 4000; /* more than a frame */
    assert_false(nic()->transmit(nic(), &packet));
    make_tcp(frame, 1054, false, false);
    pack(frame, 1054);
    packet.offload.gso_type = VIRTIO_NET_GSO_TCPV4;
    packet.offload = (struct virtio_net_header){.flags = VIRTIO_NET_NEEDS_CSUM,
                                                .gso_type = VIRTIO_NET_GSO_TCPV4,
                                                .gso_size = 100,
                                                .csum_start = (uint16_t)tcp,
                                                .csum_offset = 16};
    sent_count = 0;
    assert_true(nic()->transmit(nic(), &packet));
    nic()->kick(nic());
    assert_int_equal(sent_count, 10);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(sent[i].command & 0xfffff, 154);
    packet.offload.csum_start = 20; /* no header is there */
    assert_false(nic()->transmit(nic(), &packet));
    assert_int_equal(nic()->tx_dropped, 3);
    free(frame);
}

static void test_a_queue_that_is_full(void **state)
{
    uint8_t frame[100];
    uint32_t taken = 0;

    (void)state;
    make_frame(frame, sizeof frame);
    hangs = true;
    pack(frame, 100);
    while (nic()->transmit(nic(), &packet))
        taken++;
    nic()->kick(nic());
    assert_int_equal(taken, RING - 1);
    assert_int_equal(nic()->tx_dropped, 1);
    fake_pass(1000000000);
    hangs = false;
    transmit_all();
    assert_true(nic()->transmit(nic(), &packet));
    assert_int_equal(nic()->resets, 0);
}

static void test_a_device_that_hangs(void **state)
{
    uint8_t frame[100];

    (void)state;
    make_frame(frame, sizeof frame);
    hangs = true;
    pack(frame, 100);
    for (uint32_t i = 0; i < RING; i++)
        nic()->transmit(nic(), &packet);
    nic()->kick(nic());
    fake_pass(3000000000);
    assert_false(nic()->transmit(nic(), &packet));
    hangs = false;
    fake_run();
    assert_int_equal(nic()->resets, 1);
    assert_int_equal(resets, 2);
    sent_count = 0;
    assert_true(nic()->transmit(nic(), &packet));
    nic()->kick(nic());
    check_sent(0, frame, 100);
    arrive(frame, 100, 3, 100);
    fake_interrupt();
    fake_run();
    assert_int_equal(receptions, 1);

    /* While there is no link nothing can be sent, and that is no reason. */
    hangs = true;
    link = 0;
    icr |= 4;
    fake_interrupt();
    fake_run();
    for (uint32_t i = 0; i < RING; i++)
        nic()->transmit(nic(), &packet);
    fake_pass(5000000000);
    assert_false(nic()->transmit(nic(), &packet));
    fake_run();
    assert_int_equal(nic()->resets, 1);
}

static void test_link(void **state)
{
    (void)state;
    link = 0;
    fake_interrupt(); /* but not because of that */
    fake_run();
    assert_true(nic()->link_up);
    icr |= 4;
    fake_interrupt();
    fake_run();
    assert_false(nic()->link_up);
    assert_int_equal(link_changes, 1);
    link = 2;
    icr |= 4;
    fake_interrupt();
    fake_run();
    assert_true(nic()->link_up);
    assert_int_equal(link_changes, 2);
}

static void test_one_that_is_gone_or_does_not_reset(void **state)
{
    uint8_t frame[100] = {0};

    (void)state;
    gone = true;
    fake_interrupt();
    fake_run();
    assert_false(nic()->link_up);
    assert_false(fake_master);
    pack(frame, 100);
    for (uint32_t i = 0; i < 2 * RING; i++)
        nic()->transmit(nic(), &packet);
    nic()->kick(nic());
    fake_run();

    fake_pci_reset();
    gone = false;
    keeps_reset = true;
    nic_count = 0;
    assert_true(igb ? igb_probe(&fake_function) : e1000e_probe(&fake_function));
    assert_null(nic());
    assert_false(fake_master);
}

#define BOTH(test)                                                                                                     \
    {#test " (e1000e)", test, set_up_e1000e, NULL, NULL},                                                              \
    {                                                                                                                  \
#test " (igb)", test, set_up_igb, NULL, NULL                                                                   \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_finding_it),
        BOTH(test_receiving),
        BOTH(test_checksums_that_were_verified),
        BOTH(test_frames_that_are_none),
        BOTH(test_sending),
        BOTH(test_checksums),
        BOTH(test_checksums_that_the_device_cannot_do),
        BOTH(test_segmentation),
        BOTH(test_segments_that_the_device_cannot_make),
        BOTH(test_a_queue_that_is_full),
        BOTH(test_a_device_that_hangs),
        BOTH(test_link),
        BOTH(test_one_that_is_gone_or_does_not_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
