/* SPDX-License-Identifier: Apache-2.0 */
/* Channels: a driver's registers, doorbells, interrupts, holds, resets of either end, total decode. */
#include "../../arch/host/channel_calls.h"
#include "../../arch/host/machine.h"

#include <bulkhead/guest_map.h>
#include <bulkhead/hypercall.h>
#include <core/interrupt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOTHING 1023u
#define REGISTER(offset) (GUEST_VIRTIO_BASE + 3 * PAGE_SIZE + (offset))
#define INTID (32 + GUEST_LINE_VIRTIO + 3)
#define VERSION_1 (1ull << 32)
#define FEATURES (VERSION_1 | 0x35)

const struct partition_config partitions[] = {
    {.name = "management", .flags = PARTITION_MANAGEMENT, .cpus = 1},
    {.name = "guest", .cpus = 0x06},
};
const uint32_t partition_count = 2;
const struct channel_config channels[] = {
    {.device_id = VIRTIO_ID_NET, .front = 1, .back = 0, .slot = 3, .console = 0xff},
    {.device_id = VIRTIO_ID_BLOCK, .front = 1, .back = 0, .slot = 4, .console = 0xff},
};
const uint32_t channel_count = 2;

#define BACK (&domains[0])
#define FRONT (&domains[1])

static struct channel_state *state_page(void)
{
    return (struct channel_state *)(channel_register_page(0).value + CHANNEL_STATE_OFFSET);
}

static struct doorbell_page *doorbell(void)
{
    return (struct doorbell_page *)channel_doorbell_page(BACK).value;
}

/* What the back-end does at its doorbell interrupt. */
static uint32_t answer(void)
{
    uint32_t bits;

    doorbell()->summary = 0;
    bits = doorbell()->channel[0];
    doorbell()->channel[0] = 0;
    return bits;
}

static void write_register(uint64_t offset, uint32_t value)
{
    assert_int_equal(machine_write(REGISTER(offset), 4, value), MMIO_DONE);
}

static uint32_t read_register(uint64_t offset)
{
    return (uint32_t)machine_read(REGISTER(offset), 4);
}

static void enable_interrupts(uint32_t cpu, uint32_t line, bool edge)
{
    machine_on(cpu);
    machine_write(GUEST_GICD_BASE, 4, 0x12);
    if (edge)
        machine_write(GUEST_GICD_BASE + 0xc00 + (32 + line) / 16 * 4, 4, 2u << line % 16 * 2);
    machine_write(GUEST_GICD_BASE + 0x100 + 4 * (1 + line / 32), 4, 1u << line % 32);
}

static int setup(void **state)
{
    (void)state;
    channel_reset_back(BACK);
    assert_true(channel_reset_front(FRONT));
    machine_start();
    enable_interrupts(0, GUEST_LINE_DOORBELL, true);
    enable_interrupts(1, GUEST_LINE_VIRTIO + 3, false);
    return 0;
}

static void attach(void)
{
    assert_int_equal(channel_offer(BACK, 0, FEATURES, 2, 256), HC_OK);
    assert_int_equal(channel_attach(BACK, 0), HC_OK);
    answer();
}

static void negotiate(uint64_t features)
{
    if (machine_write(REGISTER(VIRTIO_MMIO_STATUS), 4, 0) == MMIO_RETRY)
        channel_reset_done(BACK, 0);
    write_register(VIRTIO_MMIO_STATUS, 0);
    write_register(VIRTIO_MMIO_STATUS, VIRTIO_STATUS_ACKNOWLEDGE);
    write_register(VIRTIO_MMIO_STATUS, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
    write_register(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
    write_register(VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32));
    write_register(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
    write_register(VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)features);
    write_register(VIRTIO_MMIO_STATUS, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK);
}

static void bring_up(void)
{
    attach();
    machine_on(1);
    negotiate(FEATURES);
    for (uint32_t queue = 0; queue < 2; queue++) {
        write_register(VIRTIO_MMIO_QUEUE_SEL, queue);
        assert_int_equal(read_register(VIRTIO_MMIO_QUEUE_NUM_MAX), 256);
        write_register(VIRTIO_MMIO_QUEUE_NUM, 128);
        write_register(VIRTIO_MMIO_QUEUE_DESC_LOW, 0x40001000 + queue * 0x10000);
        write_register(VIRTIO_MMIO_QUEUE_DESC_HIGH, 1);
        write_register(VIRTIO_MMIO_QUEUE_DRIVER_LOW, 0x40002000);
        write_register(VIRTIO_MMIO_QUEUE_DEVICE_LOW, 0x40003000);
        write_register(VIRTIO_MMIO_QUEUE_READY, 1);
        assert_int_equal(read_register(VIRTIO_MMIO_QUEUE_READY), 1);
    }
    write_register(VIRTIO_MMIO_STATUS, 0x0f);
    assert_int_equal(answer(), DOORBELL_STATUS);
}

static void a_driver_comes_up(void **state)
{
    (void)state;
    bring_up();
    assert_int_equal(read_register(VIRTIO_MMIO_MAGIC), VIRTIO_MMIO_MAGIC_VALUE);
    assert_int_equal(read_register(VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_NET);
    assert_int_equal(read_register(VIRTIO_MMIO_STATUS), 0x0f);
    assert_int_equal(state_page()->driver_features, FEATURES);
    assert_int_equal(state_page()->queue[1].descriptors, 0x140011000);
    assert_int_equal(state_page()->queue[1].size, 128);
    write_register(VIRTIO_MMIO_QUEUE_SEL, 2);
    assert_int_equal(read_register(VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
}

static void features_must_be_offered(void **state)
{
    (void)state;
    attach();
    machine_on(1);
    negotiate(FEATURES | 2);
    assert_false(read_register(VIRTIO_MMIO_STATUS) & VIRTIO_STATUS_FEATURES_OK);
    negotiate(0x35); /* not version 1 */
    assert_false(read_register(VIRTIO_MMIO_STATUS) & VIRTIO_STATUS_FEATURES_OK);
    negotiate(VERSION_1 | 1);
    assert_true(read_register(VIRTIO_MMIO_STATUS) & VIRTIO_STATUS_FEATURES_OK);
    write_register(VIRTIO_MMIO_DRIVER_FEATURES, 0x7fffffff); /* too late */
    assert_int_equal(state_page()->driver_features, VERSION_1 | 1);
}

static void queues_are_checked_and_frozen(void **state)
{
    (void)state;
    bring_up();
    write_register(VIRTIO_MMIO_QUEUE_SEL, 0);
    write_register(VIRTIO_MMIO_QUEUE_DESC_LOW, 0x50000000);
    write_register(VIRTIO_MMIO_QUEUE_NUM, 8);
    assert_int_equal(state_page()->queue[0].descriptors, 0x140001000);
    assert_int_equal(state_page()->queue[0].size, 128);
    write_register(VIRTIO_MMIO_QUEUE_READY, 0);
    assert_int_equal(answer(), DOORBELL_STATUS);
    static const uint32_t wrong[] = {0, 3, 257, 512, UINT32_MAX};
    for (uint32_t i = 0; i < 5; i++)
        write_register(VIRTIO_MMIO_QUEUE_NUM, wrong[i]);
    assert_int_equal(state_page()->queue[0].size, 128);
    write_register(VIRTIO_MMIO_QUEUE_DESC_LOW, 0x40000008); /* not aligned */
    write_register(VIRTIO_MMIO_QUEUE_READY, 1);
    assert_int_equal(read_register(VIRTIO_MMIO_QUEUE_READY), 0);
}

static void a_doorbell_interrupts_once(void **state)
{
    (void)state;
    bring_up();
    machine_on(0);
    machine_end(machine_take());
    machine_on(1);
    write_register(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
    write_register(VIRTIO_MMIO_QUEUE_NOTIFY, 1);
    write_register(VIRTIO_MMIO_QUEUE_NOTIFY, 2); /* there is none */
    write_register(VIRTIO_MMIO_QUEUE_NOTIFY, UINT32_MAX);
    machine_on(0);
    assert_int_equal(machine_take(), 32 + GUEST_LINE_DOORBELL);
    assert_int_equal(answer(), 3);
    machine_end(32 + GUEST_LINE_DOORBELL);
    assert_int_equal(machine_take(), NOTHING);
    assert_int_equal(state_page()->notifies, 2);
}

static void an_interrupt_lasts_until_acknowledged(void **state)
{
    (void)state;
    bring_up();
    machine_on(0);
    assert_int_equal(channel_signal(BACK, 0, 1), HC_OK);
    assert_int_equal(channel_signal(BACK, 0, 1), HC_OK);
    machine_settle();
    machine_on(1);
    assert_int_equal(machine_take(), INTID);
    assert_int_equal(read_register(VIRTIO_MMIO_INTERRUPT_STATUS), 1);
    machine_on(0);
    channel_signal(BACK, 0, 2); /* between the driver's read and its acknowledgement */
    machine_on(1);
    write_register(VIRTIO_MMIO_INTERRUPT_ACK, 1);
    machine_end(INTID);
    assert_int_equal(machine_take(), INTID);
    write_register(VIRTIO_MMIO_INTERRUPT_ACK, 2);
    machine_end(INTID);
    assert_int_equal(machine_take(), NOTHING);
}

static void status_waits_for_the_back_end(void **state)
{
    (void)state;
    machine_on(1);
    write_register(VIRTIO_MMIO_STATUS, 0);
    assert_int_equal(machine_write(REGISTER(VIRTIO_MMIO_STATUS), 4, 1), MMIO_RETRY);
    machine_sleep(9000000000);
    assert_int_equal(machine_write(REGISTER(VIRTIO_MMIO_STATUS), 4, 1), MMIO_RETRY);
    attach();
    write_register(VIRTIO_MMIO_STATUS, 1);
    assert_int_equal(read_register(VIRTIO_MMIO_STATUS), 1);
}

static void a_back_end_that_never_comes_is_not_waited_for(void **state)
{
    (void)state;
    machine_on(1);
    assert_int_equal(machine_write(REGISTER(VIRTIO_MMIO_STATUS), 4, 1), MMIO_RETRY);
    machine_sleep(10000000001);
    write_register(VIRTIO_MMIO_STATUS, 1);
    assert_int_equal(read_register(VIRTIO_MMIO_STATUS), VIRTIO_STATUS_NEEDS_RESET | VIRTIO_STATUS_FAILED);
}

static void reset_waits_until_buffers_are_let_go(void **state)
{
    uint32_t generation;

    (void)state;
    bring_up();
    generation = state_page()->generation;
    assert_int_equal(machine_write(REGISTER(VIRTIO_MMIO_STATUS), 4, 0), MMIO_RETRY);
    assert_int_equal(answer(), DOORBELL_STATUS);
    assert_int_equal(state_page()->flags, CHANNEL_ATTACHED | CHANNEL_RESETTING);
    assert_int_equal(read_register(VIRTIO_MMIO_STATUS), 0x0f);
    assert_int_equal(channel_reset_done(BACK, 0), HC_OK);
    assert_int_equal(channel_reset_done(BACK, 0), HC_E_STATE);
    write_register(VIRTIO_MMIO_STATUS, 0);
    assert_int_equal(read_register(VIRTIO_MMIO_STATUS), 0);
    assert_int_equal(state_page()->queue[0].ready, 0);
    assert_int_equal(state_page()->generation, generation + 1);
}

static void a_stopping_domain_waits_likewise(void **state)
{
    (void)state;
    bring_up();
    assert_false(channel_reset_front(FRONT));
    assert_false(channel_reset_front(FRONT));
    assert_int_equal(channel_reset_done(BACK, 0), HC_OK);
    assert_true(channel_reset_front(FRONT));
}

static void a_restarted_back_end_takes_over(void **state)
{
    (void)state;
    bring_up();
    write_register(VIRTIO_MMIO_QUEUE_NOTIFY, 1);
    channel_reset_back(BACK);
    assert_int_equal(doorbell()->summary, 0);
    write_register(VIRTIO_MMIO_QUEUE_NOTIFY, 0);                             /* nobody there: told at attach */
    assert_int_equal(channel_offer(BACK, 0, VERSION_1, 2, 256), HC_E_STATE); /* less than the driver relies on */
    assert_int_equal(channel_offer(BACK, 0, FEATURES | 2, 2, 128), HC_E_STATE);
    assert_int_equal(channel_offer(BACK, 0, FEATURES | 2, 2, 256), HC_OK);
    answer();
    assert_int_equal(channel_attach(BACK, 0), HC_OK);
    assert_int_equal(answer(), DOORBELL_STATUS | 3);
    assert_int_equal(read_register(VIRTIO_MMIO_STATUS), 0x0f);
    assert_int_equal(state_page()->queue[1].descriptors, 0x140011000);
}

static void a_back_end_that_dies_in_a_reset_has_let_go(void **state)
{
    (void)state;
    bring_up();
    assert_false(channel_reset_front(FRONT));
    channel_reset_back(BACK);
    assert_true(channel_reset_front(FRONT));
    assert_int_equal(read_register(VIRTIO_MMIO_STATUS), 0);
}

static void a_failed_channel_says_so(void **state)
{
    (void)state;
    bring_up();
    assert_int_equal(channel_fail(BACK, 0), HC_OK);
    machine_settle();
    assert_int_equal(machine_take(), INTID);
    assert_true(read_register(VIRTIO_MMIO_STATUS) & VIRTIO_STATUS_NEEDS_RESET);
    write_register(VIRTIO_MMIO_STATUS, 0x0f); /* only a reset helps */
    assert_true(read_register(VIRTIO_MMIO_STATUS) & VIRTIO_STATUS_NEEDS_RESET);
}

static void only_the_back_end_may(void **state)
{
    (void)state;
    assert_int_equal(channel_offer(FRONT, 0, FEATURES, 2, 256), HC_E_DENIED);
    assert_int_equal(channel_attach(FRONT, 0), HC_E_DENIED);
    assert_int_equal(channel_signal(FRONT, 1, 1), HC_E_DENIED);
    assert_int_equal(channel_config(FRONT, 0, 0, 1, 1), HC_E_DENIED);
    assert_int_equal(channel_reset_done(FRONT, 0), HC_E_DENIED);
    assert_int_equal(channel_fail(FRONT, 0), HC_E_DENIED);
    static const uint64_t numbers[] = {2, 64, UINT32_MAX, UINT64_MAX};
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(channel_offer(BACK, numbers[i], FEATURES, 2, 256), HC_E_RANGE);
        assert_int_equal(channel_attach(BACK, numbers[i]), HC_E_RANGE);
        assert_int_equal(channel_signal(BACK, numbers[i], 1), HC_E_RANGE);
        assert_int_equal(channel_config(BACK, numbers[i], 0, 1, 1), HC_E_RANGE);
        assert_int_equal(channel_fail(BACK, numbers[i]), HC_E_RANGE);
    }
    assert_int_equal(channel_offer(BACK, 0, FEATURES, 5, 256), HC_E_RANGE);
    assert_int_equal(channel_offer(BACK, 0, FEATURES, 0, 256), HC_E_RANGE);
    assert_int_equal(channel_offer(BACK, 0, FEATURES, 1, 255), HC_E_RANGE);
    assert_int_equal(channel_offer(BACK, 0, FEATURES, 1, 512), HC_E_RANGE);
    assert_int_equal(channel_config(BACK, 0, 256, 1, 1), HC_E_RANGE);
    assert_int_equal(channel_config(BACK, 0, 249, 8, 1), HC_E_RANGE);
    assert_int_equal(channel_config(BACK, 0, UINT64_MAX, 8, 1), HC_E_RANGE);
    assert_int_equal(channel_config(BACK, 0, 0, 3, 1), HC_E_RANGE);
    assert_int_equal(channel_config(BACK, 0, 248, 8, 0x1122334455667788ull), HC_OK);
    machine_on(1);
    assert_int_equal(machine_read(REGISTER(VIRTIO_MMIO_CONFIG + 248), 8), 0x1122334455667788ull);
}

/* Every write of every width at every offset, in several states: the page keeps its identity and its bounds. */
static void decode_is_total(void **state)
{
    static const uint64_t values[] = {0, 1, 3, 0x80, UINT32_MAX, UINT64_MAX};

    (void)state;
    srandom(1);
    bring_up();
    for (uint32_t round = 0; round < 20; round++)
        for (uint64_t offset = 0; offset < PAGE_SIZE; offset++) {
            uint32_t width = 1u << random() % 4;

            if (offset + width <= PAGE_SIZE) {
                machine_write(REGISTER(offset), width, values[random() % 6]);
                machine_read(REGISTER(offset), width);
            }
            if (random() % 64 == 0) {
                channel_reset_done(BACK, 0);
                machine_sleep(200000000);
            }
            for (uint32_t queue = 0; queue < BULKHEAD_QUEUES_MAX; queue++) {
                uint32_t size = state_page()->queue[queue].size;

                assert_true(size <= 256 && (size & (size - 1)) == 0);
                assert_true(queue < 2 || state_page()->queue[queue].ready == 0);
            }
        }
    assert_int_equal(read_register(VIRTIO_MMIO_MAGIC), VIRTIO_MMIO_MAGIC_VALUE);
    assert_int_equal(read_register(VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_NET);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_driver_comes_up, setup),
        cmocka_unit_test_setup(features_must_be_offered, setup),
        cmocka_unit_test_setup(queues_are_checked_and_frozen, setup),
        cmocka_unit_test_setup(a_doorbell_interrupts_once, setup),
        cmocka_unit_test_setup(an_interrupt_lasts_until_acknowledged, setup),
        cmocka_unit_test_setup(status_waits_for_the_back_end, setup),
        cmocka_unit_test_setup(a_back_end_that_never_comes_is_not_waited_for, setup),
        cmocka_unit_test_setup(reset_waits_until_buffers_are_let_go, setup),
        cmocka_unit_test_setup(a_stopping_domain_waits_likewise, setup),
        cmocka_unit_test_setup(a_restarted_back_end_takes_over, setup),
        cmocka_unit_test_setup(a_back_end_that_dies_in_a_reset_has_let_go, setup),
        cmocka_unit_test_setup(a_failed_channel_says_so, setup),
        cmocka_unit_test_setup(only_the_back_end_may, setup),
        cmocka_unit_test_setup(decode_is_total, setup),
    };

    machine_init();
    channel_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
