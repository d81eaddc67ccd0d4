/* SPDX-License-Identifier: Apache-2.0 */
/* Emulated devices and deadlines on the fake machine: PL011, PL031, SBSA watchdog, heartbeat, progress watch. */
#include "../../arch/host/machine.h"

#include <bulkhead/channel.h>
#include <bulkhead/guest_map.h>
#include <bulkhead/hypercall.h>
#include <core/channel.h>
#include <core/console.h>
#include <core/deadline.h>
#include <core/heartbeat.h>
#include <core/interrupt.h>
#include <devices/rtc/pl031.h>
#include <devices/serial/pl011.h>
#include <devices/serial/uart.h>
#include <devices/watchdog/sbsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOTHING 1023u
#define MS 1000000ull
#define S 1000000000ull
#define UART(offset) (GUEST_UART_BASE + (offset))
#define RTC(offset) (GUEST_RTC_BASE + (offset))
#define CONTROL(offset) (GUEST_WATCHDOG_CONTROL + (offset))

const struct partition_config partitions[] = {
    {.name = "management", .flags = PARTITION_MANAGEMENT, .cpus = 1, .uart_console = 0xff, .heartbeat_ms = 500},
    {.name = "guest",
     .flags = PARTITION_UART | PARTITION_RTC | PARTITION_WATCHDOG,
     .cpus = 0x06,
     .uart_console = 1,
     .progress_ms = 1000},
};
const uint32_t partition_count = 2;
const struct channel_config channels[1];
const uint32_t channel_count = 0;
const uint32_t console_count = 2;

#define MANAGEMENT (&domains[0])
#define GUEST (&domains[1])

static int setup(void **state)
{
    (void)state;
    pl011_reset(GUEST);
    pl031_reset(GUEST);
    sbsa_reset(GUEST);
    heartbeat_stop(MANAGEMENT);
    machine_on(1);
    progress_stop(GUEST->vcpu[0]);
    machine_start();
    machine_sleep(100 * S); /* deadlines of the last test find nothing to do */
    memset(&machine, 0, sizeof(machine));
    machine_on(1);
    machine_write(GUEST_GICD_BASE, 4, 0x12);
    machine_write(GUEST_GICD_BASE + 0x104, 4, 1 << GUEST_LINE_UART | 1 << GUEST_LINE_RTC | 1 << GUEST_LINE_WATCHDOG);
    ((struct doorbell_page *)channel_doorbell_page(MANAGEMENT).value)->system = 0;
    return 0;
}

static uint32_t told(void)
{
    struct doorbell_page *page = (struct doorbell_page *)channel_doorbell_page(MANAGEMENT).value;

    return __atomic_exchange_n((uint32_t *)&page->system, 0, __ATOMIC_ACQUIRE);
}

/* --- PL011 --- */

static void output_goes_to_the_ring(void **state)
{
    struct byte_ring *ring = console_ring(1);
    uint64_t head = ring->head;

    (void)state;
    for (const char *p = "Linux"; *p; p++)
        machine_write(UART(0), 1, (uint8_t)*p);
    assert_int_equal(ring->head, head + 5);
    assert_memory_equal(ring->data + head % ring->size, "Linux", 5);
    assert_int_equal(told(), DOORBELL_CONSOLE);
    assert_int_equal(machine_read(UART(0x18), 4) & 0xa0, 0x80); /* never full */
}

static void a_ring_keeps_the_newest(void **state)
{
    struct byte_ring *ring = console_ring(0);
    static uint8_t block[1000];

    (void)state;
    for (uint32_t i = 0; i < 200; i++) {
        memset(block, (int)i, sizeof(block));
        console_write(0, block, sizeof(block));
    }
    assert_int_equal(ring->head, 200000);
    assert_int_equal(ring->data[199999 % ring->size], 199);
    assert_int_equal(ring->data[(200000 - ring->size) % ring->size], (200000 - ring->size) / 1000);
    console_write(7, block, 1); /* there is none */
}

static void transmit_interrupt_comes_when_asked_for(void **state)
{
    (void)state;
    machine_write(UART(0x38), 2, 1 << 5);
    assert_int_equal(machine_take(), NOTHING);
    machine_write(UART(0), 1, 'x');
    assert_int_equal(machine_take(), 32 + GUEST_LINE_UART);
    machine_write(UART(0x38), 2, 0);
    machine_end(32 + GUEST_LINE_UART);
    assert_int_equal(machine_take(), NOTHING);
}

static void input_interrupts_and_is_read(void **state)
{
    (void)state;
    machine_write(UART(0x38), 2, 1 << 4 | 1 << 6);
    assert_int_equal(machine_read(UART(0x18), 4) & 0x50, 0x10);
    assert_int_equal(uart_input(1, "ls\r", 3), 3);
    assert_int_equal(machine_take(), 32 + GUEST_LINE_UART);
    assert_int_equal(machine_read(UART(0), 4), 'l');
    assert_int_equal(machine_read(UART(0), 4), 's');
    assert_int_equal(machine_read(UART(0x40), 4), 0x50);
    assert_int_equal(machine_read(UART(0), 4), '\r');
    assert_int_equal(machine_read(UART(0x40), 4), 0);
    machine_end(32 + GUEST_LINE_UART);
    assert_int_equal(machine_take(), NOTHING);
    assert_int_equal(machine_read(UART(0), 4), 0);
    assert_int_equal(uart_input(0, "x", 1), 0); /* no UART behind that ring */
    assert_int_equal(uart_input(99, "x", 1), 0);
}

static void a_full_queue_says_when_there_is_room(void **state)
{
    char text[40];

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_int_equal(uart_input(1, text, 40), 32);
    assert_int_equal(machine_read(UART(0x18), 4) & 0x50, 0x40);
    told();
    for (uint32_t i = 0; i < 15; i++)
        machine_read(UART(0), 4);
    assert_int_equal(told(), 0);
    machine_read(UART(0), 4);
    assert_int_equal(told(), DOORBELL_CONSOLE);
    assert_int_equal(uart_input(1, text, 40), 16);
}

static void the_uart_identifies_itself(void **state)
{
    static const uint8_t expected[] = {0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

    (void)state;
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(machine_read(UART(0xfe0 + 4 * i), 4), expected[i]);
}

/* --- PL031 --- */

static void the_clock_runs_and_can_be_set(void **state)
{
    uint32_t now = (uint32_t)machine_read(RTC(0), 4);

    (void)state;
    assert_int_equal(now, time_wall_s());
    machine_write(RTC(8), 4, 5000);
    machine_sleep(7 * S);
    assert_int_equal(machine_read(RTC(0), 4), 5007);
    pl031_reset(GUEST); /* a restart keeps what it was set to */
    assert_int_equal(machine_read(RTC(0), 4), 5007);
    machine_write(RTC(8), 4, now);
}

static void the_alarm_rings(void **state)
{
    (void)state;
    machine_write(RTC(4), 4, machine_read(RTC(0), 4) + 3);
    machine_write(RTC(0x10), 4, 1);
    machine_sleep(2 * S);
    assert_int_equal(machine_take(), NOTHING);
    machine_sleep(2 * S);
    assert_int_equal(machine_take(), 32 + GUEST_LINE_RTC);
    assert_int_equal(machine_read(RTC(0x18), 4), 1);
    machine_write(RTC(0x1c), 4, 1);
    machine_end(32 + GUEST_LINE_RTC);
    assert_int_equal(machine_take(), NOTHING);
}

/* --- SBSA watchdog; the machine's counter counts nanoseconds --- */

static void start_watchdog(uint64_t offset)
{
    machine_write(CONTROL(8), 4, (uint32_t)offset);
    machine_write(CONTROL(12), 4, offset >> 32);
    machine_write(CONTROL(0), 4, 1);
}

static void keep_alive_keeps_alive(void **state)
{
    (void)state;
    start_watchdog(5 * S);
    for (uint32_t i = 0; i < 20; i++) {
        machine_on(1 + i % 2); /* from either vCPU */
        machine_sleep(4 * S);
        machine_write(GUEST_WATCHDOG_REFRESH, 4, 0);
        assert_int_equal(machine_read(CONTROL(0), 4), 1);
    }
    machine_on(1);
    assert_int_equal(machine_take(), NOTHING);
    assert_int_equal(machine.stops, 0);
}

static void silence_interrupts_and_then_stops(void **state)
{
    (void)state;
    start_watchdog(5 * S);
    machine_sleep(5 * S + MS);
    assert_int_equal(machine_read(CONTROL(0), 4), 3);
    assert_int_equal(machine_take(), 32 + GUEST_LINE_WATCHDOG);
    machine_sleep(4 * S);
    assert_int_equal(machine.stops, 0);
    machine_sleep(S);
    assert_int_equal(machine_read(CONTROL(0), 4), 7);
    assert_int_equal(machine.stops, 1);
    assert_int_equal(machine.cause, CAUSE_WATCHDOG);
    machine_sleep(100 * S);
    assert_int_equal(machine.stops, 1);
}

static void a_late_keep_alive_is_in_time_before_the_second(void **state)
{
    (void)state;
    start_watchdog(5 * S);
    machine_sleep(6 * S);
    assert_int_equal(machine_take(), 32 + GUEST_LINE_WATCHDOG);
    machine_write(GUEST_WATCHDOG_REFRESH, 4, 1);
    machine_end(32 + GUEST_LINE_WATCHDOG);
    assert_int_equal(machine_take(), NOTHING);
    assert_int_equal(machine_read(CONTROL(0), 4), 1);
    machine_sleep(4 * S);
    assert_int_equal(machine_read(CONTROL(0), 4), 1);
}

static void a_watchdog_can_be_shortened_and_switched_off(void **state)
{
    (void)state;
    start_watchdog(100 * S);
    machine_on(2);
    machine_write(CONTROL(8), 8, 2 * S);
    machine_sleep(2 * S + MS);
    assert_int_equal(machine_read(CONTROL(0), 4), 3);
    machine_write(CONTROL(0), 4, 0);
    assert_int_equal(machine_read(CONTROL(0), 4), 0);
    machine_sleep(1000 * S);
    assert_int_equal(machine.stops, 0);
    assert_int_equal(machine_read(CONTROL(0xfcc), 4) >> 16 & 15, 1);
}

static void a_stopped_guest_is_not_watched(void **state)
{
    (void)state;
    start_watchdog(5 * S);
    sbsa_reset(GUEST);
    machine_sleep(100 * S);
    assert_int_equal(machine.stops, 0);
    assert_int_equal(machine_read(CONTROL(0x10), 8), 0);
}

/* --- Heartbeat and progress --- */

static void a_heartbeat_is_due(void **state)
{
    (void)state;
    machine_on(0);
    heartbeat_start(MANAGEMENT);
    machine_sleep(400 * MS);
    assert_int_equal(heartbeat_beat(MANAGEMENT->vcpu[0], 2000), HC_OK);
    machine_sleep(1900 * MS);
    assert_int_equal(machine.stops, 0);
    assert_int_equal(heartbeat_beat(MANAGEMENT->vcpu[0], 600001), HC_E_RANGE);
    assert_int_equal(heartbeat_beat(MANAGEMENT->vcpu[0], 0), HC_OK); /* the partition asks for one all the same */
    machine_sleep(600 * MS);
    assert_int_equal(machine.stops, 1);
    assert_int_equal(machine.cause, CAUSE_HEARTBEAT);
}

static void a_guest_without_one_may_end_its_own(void **state)
{
    (void)state;
    assert_int_equal(heartbeat_beat(GUEST->vcpu[0], 100), HC_OK);
    assert_int_equal(heartbeat_beat(GUEST->vcpu[0], 0), HC_OK);
    machine_sleep(10 * S);
    assert_int_equal(machine.stops, 0);
}

static void interrupts_that_are_taken_are_progress(void **state)
{
    (void)state;
    progress_start(GUEST->vcpu[0]);
    for (uint32_t i = 0; i < 100; i++) {
        interrupt_set_level(GUEST, GUEST_LINE_UART, true);
        machine_settle();
        machine_sleep(300 * MS);
        assert_int_equal(machine_take(), 32 + GUEST_LINE_UART);
        interrupt_set_level(GUEST, GUEST_LINE_UART, false);
        machine_end(32 + GUEST_LINE_UART);
    }
    assert_int_equal(machine.stops, 0);
    machine_sleep(100 * S); /* idle is no crime */
    assert_int_equal(machine.stops, 0);
}

static void an_interrupt_left_alone_is_none(void **state)
{
    (void)state;
    progress_start(GUEST->vcpu[0]);
    interrupt_set_level(GUEST, GUEST_LINE_UART, true);
    machine_sleep(900 * MS);
    assert_int_equal(machine.stops, 0);
    machine_sleep(600 * MS);
    assert_int_equal(machine.stops, 1);
    assert_int_equal(machine.cause, CAUSE_NO_PROGRESS);
}

/* --- Deadlines --- */

static uint32_t order[8], rung;

static void ring_bell(struct deadline *deadline)
{
    order[rung++ % 8] = (uint32_t)(uintptr_t)deadline->owner;
    if (rung < 6 && deadline->owner == (void *)3)
        deadline_set(deadline, 1); /* long past: at once, but after this call */
}

static void deadlines_expire_in_order(void **state)
{
    struct deadline deadline[4];

    (void)state;
    rung = 0;
    for (uintptr_t i = 0; i < 4; i++)
        deadline[i] = (struct deadline){.expired = ring_bell, .owner = (void *)i};
    deadline_set(&deadline[0], time_ns() + 30);
    deadline_set(&deadline[1], time_ns() + 10);
    deadline_set(&deadline[2], time_ns() + 20);
    deadline_set(&deadline[3], time_ns() + 40);
    deadline_set(&deadline[1], time_ns() + 35); /* moved */
    deadline_cancel(&deadline[0]);
    deadline_cancel(&deadline[0]);
    machine_sleep(100);
    assert_int_equal(rung, 6);
    assert_int_equal(order[0], 2);
    assert_int_equal(order[1], 1);
    assert_int_equal(order[2], 3);
    assert_int_equal(order[5], 3);
}

static void decode_is_total(void **state)
{
    static const uint64_t bases[] = {GUEST_UART_BASE, GUEST_RTC_BASE, GUEST_WATCHDOG_REFRESH, GUEST_WATCHDOG_CONTROL};
    static const uint64_t values[] = {0, 1, UINT32_MAX, UINT64_MAX, 0x7fffffff};

    (void)state;
    for (uint32_t base = 0; base < 4; base++)
        for (uint32_t i = 0; i < 5; i++)
            for (uint64_t offset = 0; offset < PAGE_SIZE; offset++)
                for (uint32_t width = 1; width <= 8 && offset + width <= PAGE_SIZE; width *= 2) {
                    assert_int_equal(machine_write(bases[base] + offset, width, values[i]), MMIO_DONE);
                    machine_read(bases[base] + offset, width);
                }
    machine_sleep(10 * S);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(output_goes_to_the_ring, setup),
        cmocka_unit_test_setup(a_ring_keeps_the_newest, setup),
        cmocka_unit_test_setup(transmit_interrupt_comes_when_asked_for, setup),
        cmocka_unit_test_setup(input_interrupts_and_is_read, setup),
        cmocka_unit_test_setup(a_full_queue_says_when_there_is_room, setup),
        cmocka_unit_test_setup(the_uart_identifies_itself, setup),
        cmocka_unit_test_setup(the_clock_runs_and_can_be_set, setup),
        cmocka_unit_test_setup(the_alarm_rings, setup),
        cmocka_unit_test_setup(keep_alive_keeps_alive, setup),
        cmocka_unit_test_setup(silence_interrupts_and_then_stops, setup),
        cmocka_unit_test_setup(a_late_keep_alive_is_in_time_before_the_second, setup),
        cmocka_unit_test_setup(a_watchdog_can_be_shortened_and_switched_off, setup),
        cmocka_unit_test_setup(a_stopped_guest_is_not_watched, setup),
        cmocka_unit_test_setup(a_heartbeat_is_due, setup),
        cmocka_unit_test_setup(a_guest_without_one_may_end_its_own, setup),
        cmocka_unit_test_setup(interrupts_that_are_taken_are_progress, setup),
        cmocka_unit_test_setup(an_interrupt_left_alone_is_none, setup),
        cmocka_unit_test_setup(deadlines_expire_in_order, setup),
        cmocka_unit_test_setup(decode_is_total, setup),
    };

    machine_init();
    console_init();
    channel_init();
    pl011_init(GUEST);
    pl031_init(GUEST);
    sbsa_init(GUEST);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
