/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-console: output into the ring, input with back-pressure, chains of any size, resets. */
#include "fake_front.h"
#include <bulkhead/partition.h>
#include <lib/hypercall.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/console_attach.h>
#include <mgmt/console_input.h>
#include <mgmt/doorbell.h>
#include <mgmt/module.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define FEATURES (VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC)
/* The transmit queue, behind the receive queue that fake_front.h places. */
#define OUT_DESCRIPTORS 0x4000u
#define OUT_AVAILABLE 0x5000u
#define OUT_USED 0x6000u
#define RING 5u
#define UART 2u

const struct partition_config partitions[] = {{.name = "guest"}};
const uint32_t partition_count = 1;
const struct channel_config channels[] = {{.device_id = VIRTIO_ID_CONSOLE, .console = RING}};
const uint32_t channel_count = 1;
extern const struct module module_console_backend;

static uint8_t output[300000];
static uint32_t output_length, ready_calls, ready_console;
static uint8_t uart[64];
static uint32_t uart_length, uart_room;
static struct doorbell_system_handler *system_handler;

void bulkhead_log(const char *format, ...)
{
    (void)format;
}

int64_t hypercall_console_write(uint32_t console, const void *data, uint32_t length)
{
    assert_int_equal(console, RING);
    assert_in_range(length, 1, HYPERCALL_BYTES_MAX);
    assert_in_range(output_length + length, 1, sizeof(output));
    memcpy(output + output_length, data, length);
    output_length += length;
    return HC_OK;
}

int64_t hypercall_console_input(uint32_t console, const void *data, uint32_t length)
{
    uint32_t taken = length < uart_room ? length : uart_room;

    assert_int_equal(console, UART);
    memcpy(uart + uart_length, data, taken);
    uart_length += taken;
    uart_room -= taken;
    return taken;
}

void console_attach_input_ready(uint32_t console)
{
    ready_calls++;
    ready_console = console;
}

void doorbell_register_system(struct doorbell_system_handler *handler)
{
    system_handler = handler;
}

static struct virtio_available *out_available(void)
{
    return (struct virtio_available *)(front_memory + OUT_AVAILABLE);
}

static struct virtio_used *out_used(void)
{
    return (struct virtio_used *)(front_memory + OUT_USED);
}

static void out_describe(uint32_t index, uint64_t address, uint32_t length, uint16_t flags, uint16_t next)
{
    ((struct virtio_descriptor *)(front_memory + OUT_DESCRIPTORS))[index] =
        (struct virtio_descriptor){.address = address, .length = length, .flags = flags, .next = next};
}

static void out_offer(uint16_t head)
{
    out_available()->ring[out_available()->index % FRONT_QUEUE_SIZE] = head;
    out_available()->index++;
}

static void start(void)
{
    front_state()->queue[1] = (struct channel_queue){.size = FRONT_QUEUE_SIZE,
                                                     .ready = 1,
                                                     .descriptors = FRONT_BASE + OUT_DESCRIPTORS,
                                                     .driver = FRONT_BASE + OUT_AVAILABLE,
                                                     .device = FRONT_BASE + OUT_USED};
    front_start(FEATURES);
}

static int setup(void **state)
{
    static bool started;

    (void)state;
    if (!started) {
        front_reset_all();
        module_console_backend.start();
        started = true;
    } else {
        front_stop();
    }
    memset(front_memory, 0, FRONT_SIZE);
    start();
    output_length = ready_calls = uart_length = uart_room = 0;
    front.signals = front.fails = 0;
    return 0;
}

static void fill_memory(void)
{
    for (uint32_t i = 0; i < FRONT_SIZE - FRONT_DATA; i++)
        front_memory[FRONT_DATA + i] = (uint8_t)(i * 31 >> 3);
}

static void test_output_of_any_length(void **state)
{
    (void)state;
    fill_memory();
    for (uint32_t length = 1; length < 60000; length = length * 3 + 1) {
        uint16_t before = out_used()->index;

        output_length = 0;
        out_describe(0, FRONT_BASE + FRONT_DATA, length / 3, VIRTIO_DESCRIPTOR_NEXT, 1);
        out_describe(1, FRONT_BASE + FRONT_DATA + length / 3, length - length / 3, 0, 0);
        out_offer(0);
        front_ring(2);
        assert_int_equal(output_length, length);
        assert_memory_equal(output, front_memory + FRONT_DATA, length);
        assert_int_equal(out_used()->index, (uint16_t)(before + 1));
    }
}

/* What would overwrite itself in the ring is not written: the work for one chain is bounded. */
static void test_output_is_bounded(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < 30; i++)
        out_describe(i, FRONT_BASE, FRONT_SIZE, i < 29 ? VIRTIO_DESCRIPTOR_NEXT : 0, (uint16_t)(i + 1));
    out_offer(0);
    front_ring(2);
    assert_int_equal(output_length, BULKHEAD_CONSOLE_RING_SIZE);
    assert_int_equal(out_used()->index, 1);
}

static void test_empty_and_overlong_chains_are_given_back(void **state)
{
    (void)state;
    out_describe(0, FRONT_BASE + FRONT_DATA, 10, VIRTIO_DESCRIPTOR_WRITE, 0);
    out_offer(0);
    for (uint16_t i = 0; i < 100; i++)
        out_describe((uint16_t)(1 + i), FRONT_BASE + FRONT_DATA, 1, i < 99 ? VIRTIO_DESCRIPTOR_NEXT : 0,
                     (uint16_t)(2 + i));
    out_offer(1);
    front_ring(2);
    assert_int_equal(out_used()->index, 2);
    assert_int_equal(output_length, 0);
    assert_int_equal(front.fails, 0);
}

static void test_broken_output_queue_fails(void **state)
{
    (void)state;
    out_describe(0, FRONT_BASE - 1, 10, 0, 0);
    out_offer(0);
    front_ring(2);
    assert_int_equal(front.fails, 1);
    assert_int_equal(console_input(RING, "x", 1), 0);
}

static void test_input_waits_for_buffers(void **state)
{
    (void)state;
    assert_int_equal(console_input(RING, "hello world", 11), 0);
    front_describe(0, FRONT_BASE + FRONT_DATA, 5, VIRTIO_DESCRIPTOR_WRITE, 0);
    front_describe(1, FRONT_BASE + FRONT_DATA + 100, 100, VIRTIO_DESCRIPTOR_WRITE, 0);
    front_offer(0);
    front_ring(1);
    assert_int_equal(ready_calls, 1);
    assert_int_equal(ready_console, RING);
    assert_int_equal(console_input(RING, "hello world", 11), 5);
    assert_int_equal(front.signals, 1);
    assert_int_equal(front_used()->ring[0].length, 5);
    front_offer(1);
    front_ring(1);
    assert_int_equal(ready_calls, 2);
    assert_int_equal(console_input(RING, " world", 6), 6);
    assert_memory_equal(front_memory + FRONT_DATA, "hello", 5);
    assert_memory_equal(front_memory + FRONT_DATA + 100, " world", 6);
    front_offer(1);
    front_ring(1);
    assert_int_equal(ready_calls, 2); /* nobody waits */
}

static void test_input_after_the_driver_comes_back(void **state)
{
    (void)state;
    front_stop();
    assert_int_equal(console_input(RING, "abc", 3), 0);
    memset(front_memory, 0, FRONT_SIZE);
    front_describe(0, FRONT_BASE + FRONT_DATA, 16, VIRTIO_DESCRIPTOR_WRITE, 0);
    front_offer(0);
    start();
    assert_int_equal(ready_calls, 1);
    assert_int_equal(console_input(RING, "abc", 3), 3);
}

static void test_uart_input_waits_for_room(void **state)
{
    char text[100];

    (void)state;
    memset(text, 'u', sizeof(text));
    uart_room = 60;
    assert_int_equal(console_input(UART, text, 50), 50);
    assert_int_equal(console_input(UART, text, 50), 10);
    system_handler->ring(system_handler, DOORBELL_CONSOLE);
    assert_int_equal(ready_calls, 1);
    assert_int_equal(ready_console, UART);
    system_handler->ring(system_handler, DOORBELL_CONSOLE);
    assert_int_equal(ready_calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_output_of_any_length, setup),
        cmocka_unit_test_setup(test_output_is_bounded, setup),
        cmocka_unit_test_setup(test_empty_and_overlong_chains_are_given_back, setup),
        cmocka_unit_test_setup(test_broken_output_queue_fails, setup),
        cmocka_unit_test_setup(test_input_waits_for_buffers, setup),
        cmocka_unit_test_setup(test_input_after_the_driver_comes_back, setup),
        cmocka_unit_test_setup(test_uart_input_waits_for_room, setup),
    };

    return cmocka_run_group_tests_name("console_backend", tests, NULL, NULL);
}
