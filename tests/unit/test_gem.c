/* SPDX-License-Identifier: Apache-2.0 */
/* The driver of the Cadence GEM against a device that behaves, and one that does not. */
#include "devices/nic/nic.c" /* its list of NICs begins anew with each test */

#include "devices/nic/gem.c"
#include "tests/unit/fake_pci.h"
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

#define MASK 0x7ffffffu

/* --- The device --- */

static uint32_t registers[0x1000 / 4], rx_head, tx_head, masked;
static uint16_t phy[32];
static uint32_t phy_at, link_resets;
static bool gone, hangs, mdio_hangs, loses_start;
static uint8_t sent[FRAME_MAX];
static uint32_t sent_length, sent_count;
static const char *tree_address; /* what the tree gives; NULL: nothing */

/* As QEMU's model has it: what comes while it is masked is forgotten. */
static void cause(uint32_t bits)
{
    registers[INT_STATUS / 4] |= bits & ~masked;
}

static void *address_of(const struct descriptor *at, uint32_t flags)
{
    return (void *)((uint64_t)at->address_high << 32 | (at->address & ~flags));
}

static struct descriptor *ring(uint32_t base, uint32_t upper)
{
    return (struct descriptor *)((uint64_t)registers[upper / 4] << 32 | registers[base / 4]);
}

static void send_all(void)
{
    while (!hangs) {
        struct descriptor *at = &ring(TRANSMIT_BASE, TRANSMIT_BASE_UPPER)[tx_head];

        if (at->control & TX_DONE) {
            cause(INT_TRANSMIT_USED);
            return;
        }
        assert_true(at->control & TX_LAST);
        sent_length = at->control & 0x3fff;
        assert_true(sent_length <= sizeof sent);
        memcpy(sent, address_of(at, 0), sent_length);
        sent_count++;
        tx_head = at->control & TX_WRAP ? 0 : tx_head + 1;
        assert_true(tx_head < RING_SIZE);
        at->control |= TX_DONE;
    }
}

static void manage(uint32_t value)
{
    uint32_t index = value >> 18 & 31, *result = &registers[PHY_MANAGEMENT / 4];

    assert_int_equal(value >> 30, 1);
    assert_int_equal(value >> 16 & 3, 2);
    *result = value | 0xffff;
    if ((value >> 23 & 31) != phy_at)
        return;
    if (value >> 28 & 1) {
        phy[index] = (uint16_t)value;
        link_resets += index == 0 && value & 1u << 9;
    }
    *result = (value & ~0xffffu) | phy[index];
}

uint32_t model_read(uint32_t offset)
{
    uint32_t value = registers[offset / 4];

    if (gone)
        return ~0u;
    if (offset == NETWORK_STATUS)
        return mdio_hangs ? 0 : STATUS_MDIO_IDLE;
    if (offset == INT_STATUS || (offset >= 0x100 && offset < 0x1b4))
        registers[offset / 4] = 0;
    return value;
}

void model_write(uint32_t offset, uint32_t value)
{
    switch (offset) {
    case INT_STATUS:
    case TRANSMIT_STATUS:
    case RECEIVE_STATUS:
        registers[offset / 4] &= ~value;
        return;
    case INT_ENABLE:
        masked &= ~value;
        return;
    case INT_DISABLE:
        masked |= value & MASK;
        return;
    case PHY_MANAGEMENT:
        manage(value);
        return;
    default:
        break;
    }
    registers[offset / 4] = value;
    if (offset == RECEIVE_BASE)
        rx_head = 0;
    if (offset != NETWORK_CONTROL)
        return;
    if (!(value & CONTROL_TRANSMIT))
        tx_head = 0;
    else if (value & CONTROL_START && !loses_start)
        send_all();
}

/* The device receives; false: it has no buffer. */
static bool arrive(const void *frame, uint32_t length, uint32_t control)
{
    struct descriptor *at = &ring(RECEIVE_BASE, RECEIVE_BASE_UPPER)[rx_head];

    if (!(registers[NETWORK_CONTROL / 4] & CONTROL_RECEIVE))
        return false;
    if (at->address & RX_DONE) {
        cause(INT_RECEIVE_USED);
        return false;
    }
    assert_int_equal(at->control, 0);
    memcpy(address_of(at, 3), frame, length);
    rx_head = at->address & RX_WRAP ? 0 : rx_head + 1;
    assert_true(rx_head < RING_SIZE);
    at->control = control;
    at->address |= RX_DONE;
    cause(INT_RECEIVED);
    return true;
}

/* --- The domain around it --- */

static uint32_t node_count = 1;

int tree_compatible(int previous, const char *compatible)
{
    assert_true(previous >= -1);
    return !strcmp(compatible, "xlnx,zynqmp-gem") && previous + 1 < (int)node_count ? previous + 1 : -1;
}
struct tree_range tree_reg(int node, uint32_t index)
{
    assert_int_equal(index, 0);
    return (struct tree_range){FAKE_REGISTERS, node == 0 ? 0x1000 : 0x800};
}
uint32_t tree_interrupt(int node, uint32_t index, bool *level)
{
    (void)node, (void)index;
    *level = false;
    return 24;
}
bool tree_bytes(int node, const char *property, void *bytes, uint32_t length)
{
    (void)node;
    if (!tree_address || strcmp(property, "local-mac-address") != 0)
        return false;
    memcpy(bytes, tree_address, length);
    return true;
}
void memory_map(uint64_t base, uint64_t size, enum memory_kind kind)
{
    assert_int_equal(base, FAKE_REGISTERS);
    assert_int_equal(size, 0x1000);
    assert_int_equal(kind, MEMORY_DEVICE);
}
void memory_uncache(void *pages, size_t size)
{
    assert_int_equal((uintptr_t)pages % 4096, 0);
    assert_int_equal(size % 4096, 0);
    assert_false(registers[NETWORK_CONTROL / 4] & (CONTROL_RECEIVE | CONTROL_TRANSMIT)); /* it is at rest by then */
}
uint64_t counter_read(void)
{
    return 0x123456789;
}

static void begin(void)
{
    gem_start();
    nic_join();
}

static int prepare(void **state)
{
    (void)state;
    fake_pci_reset();
    memset(registers, 0, sizeof registers);
    registers[NETWORK_CONTROL / 4] = CONTROL_RUNNING; /* as firmware or a former life left it */
    registers[DESIGN_QUEUES / 4] = 2;
    registers[ADDRESS_LOW / 4] = 0x12005452;
    registers[ADDRESS_HIGH / 4] = 0x5934;
    memset(phy, 0, sizeof phy);
    phy[1] = PHY_STATUS_LINK;
    phy[2] = 0x2000;
    phy[4] = 0x01e1;
    phy[9] = 0x0300;
    phy_at = 12;
    masked = MASK;
    gone = hangs = mdio_hangs = loses_start = false;
    tree_address = NULL;
    node_count = 1;
    sent_count = link_resets = nic_count = gem_count = 0;
    return 0;
}
static int set_up(void **state)
{
    prepare(state);
    begin();
    return 0;
}

static void served(void)
{
    if (registers[INT_STATUS / 4] & ~masked)
        fake_interrupt();
    fake_run();
}

/* --- Tests --- */

static void test_finding_it(void **state)
{
    (void)state;
    begin();
    assert_non_null(nic());
    assert_memory_equal(nic()->mac, "\x52\x54\x00\x12\x34\x59", 6);
    assert_true(nic()->link_up && !nic()->has_checksum && !nic()->has_tso4 && !nic()->has_tso6);
    assert_int_equal(registers[NETWORK_CONTROL / 4], CONTROL_RUNNING);
    assert_int_equal(registers[DMA_CONFIG / 4] >> 30, 1);
    assert_int_equal(masked, MASK & ~INT_WANTED);
    /* The queue that is not used has nothing to receive into, and nothing to send. */
    assert_int_equal(ring(RECEIVE_BASE_OF(1), RECEIVE_BASE_UPPER)->address, RX_DONE | RX_WRAP);
    assert_int_equal(ring(TRANSMIT_BASE_OF(1), TRANSMIT_BASE_UPPER)->control, TX_DONE | TX_WRAP);
    /* Gigabit alone is offered, and negotiated once. */
    assert_int_equal(phy[4], 0x0001);
    assert_int_equal(phy[9], 0x0200);
    assert_int_equal(link_resets, 1);
    nic_count = gem_count = 0;
    begin();
    assert_int_equal(link_resets, 1);
}

static void test_addresses(void **state)
{
    (void)state;
    node_count = 2; /* the second one lacks registers */
    tree_address = "\x00\x0a\x35\x01\x02\x03";
    begin();
    assert_memory_equal(nic()->mac, tree_address, 6);
    assert_null(nic_get(1));
    nic_count = gem_count = 0;
    tree_address = "\x01\x0a\x35\x01\x02\x03"; /* a group's: the one in the device counts */
    begin();
    assert_memory_equal(nic()->mac, "\x00\x0a\x35\x01\x02\x03", 6);
    nic_count = gem_count = 0;
    tree_address = NULL;
    registers[ADDRESS_LOW / 4] = registers[ADDRESS_HIGH / 4] = 0;
    begin();
    assert_int_equal(nic()->mac[0] & 3, 2);
    assert_int_equal(fake_log_lines, CONFIG_GEM_MAC ? 0 : 1);
}

static void test_receiving(void **state)
{
    uint8_t frame[1518];

    (void)state;
    make_frame(frame, sizeof frame);
    for (uint32_t i = 0; i < 3 * RING_SIZE; i++) {
        uint32_t length = 14 + i * 37 % 1500;

        assert_true(arrive(frame, length, RX_WHOLE | length));
        if (i % 100 == 99 || i == 3 * RING_SIZE - 1) {
            served();
            assert_received(i + 1, frame, length);
            assert_int_equal(received.offload.flags, 0);
        }
    }
    assert_int_equal(nic()->rx_packets, 3 * RING_SIZE);
    assert_true(ends > 0 && ends < 3 * RING_SIZE);
}

static void test_no_buffers(void **state)
{
    uint8_t frame[60];

    (void)state;
    make_frame(frame, sizeof frame);
    for (uint32_t i = 0; i < RING_SIZE; i++)
        assert_true(arrive(frame, 60, RX_WHOLE | 60));
    assert_false(arrive(frame, 60, RX_WHOLE | 60));
    registers[0x1a0 / 4] = 5; /* receive resource errors */
    served();
    assert_int_equal(receptions, RING_SIZE);
    assert_true(arrive(frame, 60, RX_WHOLE | 60));
    served();
    assert_int_equal(receptions, RING_SIZE + 1);
    fake_pass(2 * LOOK_NS);
    assert_int_equal(nic()->rx_dropped, 5);
}

static void test_frames_that_are_none(void **state)
{
    uint8_t frame[60];

    (void)state;
    make_frame(frame, sizeof frame);
    arrive(frame, 60, RX_WHOLE | 2049);   /* longer than the buffer */
    arrive(frame, 60, RX_WHOLE | 0x1fff); /* likewise */
    arrive(frame, 60, RX_WHOLE | 13);     /* shorter than a header */
    arrive(frame, 60, 1u << 14 | 60);     /* goes on */
    arrive(frame, 60, 1u << 15 | 60);     /* its end */
    arrive(frame, 60, ~0u);               /* anything */
    served();
    assert_int_equal(receptions, 0);
    assert_int_equal(nic()->rx_dropped, 6);
    arrive(frame, 60, RX_WHOLE | 60);
    served();
    assert_int_equal(receptions, 1);
}

/* It writes over all that it can reach: indices and addresses are the driver's own. */
static void test_descriptors_that_it_spoils(void **state)
{
    uint8_t frame[60];

    (void)state;
    make_frame(frame, sizeof frame);
    memset(all_rings, 0xff, sizeof *all_rings);
    cause(INT_RECEIVED);
    served();
    assert_int_equal(receptions, 0);
    assert_true(arrive(frame, 60, RX_WHOLE | 60));
    served();
    assert_int_equal(receptions, 1);
    assert_memory_equal(received_bytes, frame, 60);
}

static void test_sending(void **state)
{
    uint8_t frame[1519];

    (void)state;
    make_frame(frame, sizeof frame);
    for (uint32_t i = 0; i < 1000; i++) {
        pack(frame, 60 + i);
        assert_true(nic()->transmit(nic(), &packet));
        assert_int_equal(sent_count, i);
        nic()->kick(nic());
        assert_int_equal(sent_count, i + 1);
        assert_int_equal(sent_length, 60 + i);
        assert_memory_equal(sent, frame, 60 + i);
    }
    nic()->kick(nic()); /* nothing to tell of */
    pack(frame, 1519);
    assert_false(nic()->transmit(nic(), &packet));
    pack(frame, 60);
    packet.offload.flags = VIRTIO_NET_NEEDS_CSUM; /* it has said that it cannot */
    assert_false(nic()->transmit(nic(), &packet));
    assert_int_equal(nic()->tx_packets, 1000);
    assert_int_equal(nic()->tx_dropped, 2);
}

/* What was added as the device looked for the last time. */
static void test_a_start_that_is_lost(void **state)
{
    uint8_t frame[60];

    (void)state;
    make_frame(frame, sizeof frame);
    pack(frame, 60);
    loses_start = true;
    nic()->transmit(nic(), &packet);
    nic()->kick(nic());
    loses_start = false;
    assert_int_equal(sent_count, 0);
    cause(INT_TRANSMIT_USED);
    served();
    assert_int_equal(sent_count, 1);
}

static void test_a_device_that_does_not_send(void **state)
{
    uint8_t frame[60];
    uint32_t taken = 0;

    (void)state;
    make_frame(frame, sizeof frame);
    pack(frame, 60);
    hangs = true;
    while (nic()->transmit(nic(), &packet))
        taken++;
    assert_int_equal(taken, RING_SIZE - 1);
    nic()->kick(nic());
    fake_pass(HANG_NS / 2);
    assert_false(nic()->transmit(nic(), &packet));
    fake_pass(HANG_NS);
    assert_int_equal(nic()->resets, 0);
    assert_false(nic()->transmit(nic(), &packet));
    hangs = false;
    fake_pass(RESTART_NS * 2);
    assert_int_equal(nic()->resets, 1);
    assert_true(nic()->transmit(nic(), &packet));
    nic()->kick(nic());
    assert_int_equal(sent_count, 1);
}

static void test_errors_of_its_dma(void **state)
{
    static const uint32_t errors[] = {INT_AMBA_ERROR, INT_RESPONSE, INT_UNDER_RUN, INT_RETRY_LIMIT};
    uint8_t frame[60];

    (void)state;
    make_frame(frame, sizeof frame);
    pack(frame, 60);
    for (uint32_t i = 0; i < 4; i++) {
        cause(errors[i]);
        served();
        assert_false(registers[NETWORK_CONTROL / 4] & (CONTROL_RECEIVE | CONTROL_TRANSMIT));
        assert_false(nic()->transmit(nic(), &packet));
        fake_pass(RESTART_NS * 2);
        assert_int_equal(nic()->resets, i + 1);
        assert_true(arrive(frame, 60, RX_WHOLE | 60));
        served();
        assert_int_equal(receptions, i + 1);
        assert_true(nic()->transmit(nic(), &packet));
        nic()->kick(nic());
        assert_int_equal(sent_count, i + 1);
    }
    assert_int_equal(nic()->tx_dropped, 4);
    /* One that has nothing but errors costs ten restarts a second, and few lines. */
    fake_log_lines = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        cause(INT_RESPONSE);
        served();
        fake_pass(RESTART_NS * 2);
    }
    assert_int_equal(nic()->resets, 1004);
    assert_true(fake_log_lines < 10);
}

static void test_link(void **state)
{
    (void)state;
    phy[1] = 0;
    fake_pass(LOOK_NS * 2);
    assert_false(nic()->link_up);
    phy[1] = PHY_STATUS_LINK;
    fake_pass(LOOK_NS * 2);
    assert_true(nic()->link_up);
    assert_int_equal(link_changes, 2);
    phy_at = PHYS; /* it does not answer any more */
    fake_pass(LOOK_NS * 2);
    assert_false(nic()->link_up);
    mdio_hangs = true;
    fake_pass(LOOK_NS * 2);
    assert_int_equal(link_changes, 3);
}

static void test_without_a_phy(void **state)
{
    (void)state;
    phy_at = PHYS;
    begin();
    assert_true(nic()->link_up);
    nic_count = gem_count = 0;
    mdio_hangs = true;
    begin();
    assert_true(nic()->link_up);
}

static void test_a_device_that_is_gone(void **state)
{
    uint8_t frame[60] = {0};

    (void)state;
    gone = true;
    fake_interrupt();
    fake_run();
    assert_false(nic()->link_up);
    assert_int_equal(link_changes, 1);
    pack(frame, 60);
    assert_false(nic()->transmit(nic(), &packet));
    nic()->kick(nic());
    fake_pass(LOOK_NS * 3);
    assert_int_equal(fake_log_lines, 1);
    assert_int_equal(registers[NETWORK_CONTROL / 4], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_finding_it, prepare),
        cmocka_unit_test_setup(test_addresses, prepare),
        cmocka_unit_test_setup(test_receiving, set_up),
        cmocka_unit_test_setup(test_no_buffers, set_up),
        cmocka_unit_test_setup(test_frames_that_are_none, set_up),
        cmocka_unit_test_setup(test_descriptors_that_it_spoils, set_up),
        cmocka_unit_test_setup(test_sending, set_up),
        cmocka_unit_test_setup(test_a_start_that_is_lost, set_up),
        cmocka_unit_test_setup(test_a_device_that_does_not_send, set_up),
        cmocka_unit_test_setup(test_errors_of_its_dma, set_up),
        cmocka_unit_test_setup(test_link, set_up),
        cmocka_unit_test_setup(test_without_a_phy, prepare),
        cmocka_unit_test_setup(test_a_device_that_is_gone, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
