/* SPDX-License-Identifier: Apache-2.0 */
/* Devices that x86 guests have, on the fake machine: I/O ports, 16550, CMOS clock, WDAT watchdog. */
#include "../../arch/host/machine.h"

#include <arch/pio.h>
#include <bulkhead/channel.h>
#include <bulkhead/guest_map.h>
#include <core/channel.h>
#include <core/console.h>
#include <core/deadline.h>
#include <core/interrupt.h>
#include <devices/rtc/cmos.h>
#include <devices/serial/uart.h>
#include <devices/serial/uart16550.h>
#include <devices/watchdog/wdat.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOTHING 1023u
#define S 1000000000ull
#define UART(offset) (GUEST_PORT_UART + (offset))
#define VECTOR 0x34u
#define DOG(offset) (GUEST_WATCHDOG_BASE + (offset))

const struct partition_config partitions[] = {
    {.name = "management", .flags = PARTITION_MANAGEMENT, .cpus = 1, .uart_console = 0xff},
    {.name = "guest", .flags = PARTITION_UART | PARTITION_RTC | PARTITION_WATCHDOG, .cpus = 0x06, .uart_console = 1},
};
const uint32_t partition_count = 2;
const struct channel_config channels[1];
const uint32_t channel_count = 0;
const uint32_t console_count = 2;

#define MANAGEMENT (&domains[0])
#define GUEST (&domains[1])

static uint32_t in(uint16_t port, uint8_t width)
{
    uint32_t value = 0xdeadbeef;

    pio_access(vcpu_current(), port, width, true, &value);
    machine_settle();
    return value;
}

static void out(uint16_t port, uint8_t width, uint32_t value)
{
    pio_access(vcpu_current(), port, width, false, &value);
    machine_settle();
}

static int setup(void **state)
{
    (void)state;
    uart16550_reset(GUEST);
    cmos_reset(GUEST);
    wdat_reset(GUEST);
    machine_start();
    machine_sleep(10000 * S); /* deadlines of the last test find nothing to do */
    memset(&machine, 0, sizeof(machine));
    machine_on(1);
    vlapic_msr_write(vcpu_current(), 0x80f, 0x1ff);
    machine_write(GUEST_IOAPIC_BASE, 4, 0x10 + 2 * GUEST_LINE_UART);
    machine_write(GUEST_IOAPIC_BASE + 0x10, 4, VECTOR);
    ((struct doorbell_page *)channel_doorbell_page(MANAGEMENT).value)->system = 0;
    return 0;
}

static uint32_t told(void)
{
    struct doorbell_page *page = (struct doorbell_page *)channel_doorbell_page(MANAGEMENT).value;

    return __atomic_exchange_n((uint32_t *)&page->system, 0, __ATOMIC_ACQUIRE);
}

/* --- Ports --- */

static void nobody_reads_ones(void **state)
{
    uint32_t value = 0;

    (void)state;
    assert_int_equal(in(0x61, 1), 0xff);
    assert_int_equal(in(0xcf8, 4), 0xffffffff);
    assert_int_equal(in(0xffff, 4), 0xffffffff);
    out(0xffff, 4, 0);
    assert_false(pio_access(vcpu_current(), 0x80, 1, false, &value));
    assert_true(pio_access(vcpu_current(), UART(7), 1, true, &value));
    out(UART(7), 1, 0x5a);
    assert_int_equal(in(UART(7), 2), 0xff5a); /* half of it is the UART's */
    machine_on(0);
    assert_int_equal(in(UART(7), 1), 0xff); /* another domain's */
}

static void ports_can_be_given(void **state)
{
    (void)state;
    pio_pass_through(MANAGEMENT, 0x3f8, 8);
    pio_pass_through(MANAGEMENT, 0xffff, 1);
    for (uint32_t port = 0; port < 0x10000; port++)
        assert_int_equal(MANAGEMENT->arch.ports[port / 8] >> port % 8 & 1,
                         !((port >= 0x3f8 && port < 0x400) || port == 0xffff));
}

/* --- 16550 --- */

static void output_goes_to_the_ring(void **state)
{
    struct byte_ring *ring = console_ring(1);
    uint64_t head = ring->head;

    (void)state;
    for (const char *p = "Linux"; *p; p++)
        out(UART(0), 1, (uint8_t)*p);
    assert_int_equal(ring->head, head + 5);
    assert_memory_equal(ring->data + head % ring->size, "Linux", 5);
    assert_int_equal(told(), DOORBELL_CONSOLE);
    assert_int_equal(in(UART(5), 1), 0x60);
    out(UART(3), 1, 0x83); /* the divisor is no output */
    out(UART(0), 1, 1);
    out(UART(1), 1, 2);
    assert_int_equal(in(UART(0), 2), 0x0201);
    out(UART(3), 1, 3);
    assert_int_equal(ring->head, head + 5);
    out(UART(4), 1, 0x10); /* looped back: to the receiver */
    out(UART(0), 1, 'x');
    assert_int_equal(ring->head, head + 5);
    out(UART(4), 1, 0);
    assert_int_equal(in(UART(5), 1), 0x61);
    assert_int_equal(in(UART(0), 1), 'x');
}

static void drivers_recognize_a_16550a(void **state)
{
    (void)state;
    out(UART(2), 1, 1);
    assert_int_equal(in(UART(2), 1), 0xc1);
    out(UART(1), 1, 0xff);
    assert_int_equal(in(UART(1), 1), 0x0f);
    out(UART(1), 1, 0);
    out(UART(4), 1, 0x1a); /* loop, OUT2, RTS */
    assert_int_equal(in(UART(6), 1) & 0xf0, 0x90);
    out(UART(4), 1, 0x0b);
    assert_int_equal(in(UART(6), 1), 0xb0);
}

static void the_transmitter_interrupts_when_asked(void **state)
{
    (void)state;
    out(UART(1), 1, 2);
    assert_int_equal(machine_take(), VECTOR);
    assert_int_equal(in(UART(2), 1), 2);
    assert_int_equal(in(UART(2), 1), 1); /* reading it has ended it */
    machine_end(VECTOR);
    assert_int_equal(machine_take(), NOTHING);
    out(UART(0), 1, 'a');
    assert_int_equal(machine_take(), VECTOR);
    assert_int_equal(in(UART(2), 1), 2);
    out(UART(1), 1, 0);
    machine_end(VECTOR);
    assert_int_equal(machine_take(), NOTHING);
}

static void input_interrupts_and_is_read(void **state)
{
    char text[40];

    (void)state;
    memset(text, 'a', sizeof(text));
    out(UART(2), 1, 0x81); /* trigger 8 */
    out(UART(1), 1, 5);
    assert_int_equal(uart_input(1, "ls\r", 3), 3);
    machine_settle();
    assert_int_equal(machine_take(), VECTOR);
    assert_int_equal(in(UART(2), 1), 0xcc);
    assert_int_equal(in(UART(5), 1), 0x61);
    assert_int_equal(in(UART(0), 1), 'l');
    assert_int_equal(in(UART(0), 1), 's');
    assert_int_equal(in(UART(0), 1), '\r');
    assert_int_equal(in(UART(2), 1), 0xc1);
    assert_int_equal(in(UART(0), 1), 0);
    machine_end(VECTOR);
    assert_int_equal(machine_take(), NOTHING);
    assert_int_equal(uart_input(1, text, 40), 16);
    assert_int_equal(in(UART(2), 1), 0xc4);
    told();
    for (uint32_t i = 0; i < 7; i++)
        in(UART(0), 1);
    assert_int_equal(told(), 0);
    in(UART(0), 1);
    assert_int_equal(told(), DOORBELL_CONSOLE);
    assert_int_equal(uart_input(1, text, 40), 8);
    assert_int_equal(uart_input(0, text, 1), 0); /* no UART behind that ring */
    assert_int_equal(uart_input(99, text, 1), 0);
    out(UART(2), 1, 3); /* emptied */
    assert_int_equal(in(UART(5), 1), 0x60);
    uart16550_reset(GUEST);
    assert_int_equal(in(UART(1), 1), 0);
}

/* --- CMOS --- */

static uint8_t cmos(uint8_t index)
{
    out(0x70, 1, index);
    return (uint8_t)in(0x71, 1);
}

static void cmos_set(uint8_t index, uint8_t value)
{
    out(0x70, 1, index);
    out(0x71, 1, value);
}

static void set_clock(uint32_t year, uint8_t month, uint8_t day, uint8_t hour, uint8_t minute, uint8_t second)
{
    cmos_set(11, 0x86); /* SET, binary */
    cmos_set(0x32, (uint8_t)(year / 100));
    cmos_set(9, (uint8_t)(year % 100));
    cmos_set(8, month);
    cmos_set(7, day);
    cmos_set(4, hour);
    cmos_set(2, minute);
    cmos_set(0, second);
    machine_sleep(5 * S); /* the clock stands */
    assert_int_equal(cmos(0), second);
    cmos_set(11, 0x06);
}

static void assert_clock(uint32_t year, uint8_t month, uint8_t day, uint8_t hour, uint8_t minute, uint8_t second)
{
    assert_int_equal(cmos(0x32) * 100 + cmos(9), year);
    assert_int_equal(cmos(8), month);
    assert_int_equal(cmos(7), day);
    assert_int_equal(cmos(4), hour);
    assert_int_equal(cmos(2), minute);
    assert_int_equal(cmos(0), second);
}

static void the_clock_tells_the_board_s_time(void **state)
{
    uint64_t wall = time_wall_s();

    (void)state;
    assert_int_equal(cmos(0), wall % 60 / 10 * 16 + wall % 60 % 10); /* BCD */
    cmos_set(11, 0x06);
    assert_int_equal(cmos(0), wall % 60);
    assert_int_equal(cmos(4), wall / 3600 % 24);
    assert_int_equal(cmos(0x32), 20);
    assert_int_equal(cmos(6), (wall / 86400 + 4) % 7 + 1);
    assert_int_equal(cmos(10), 0x26);
    assert_int_equal(cmos(13), 0x80);
    assert_int_equal(cmos(0x40), 0);
    assert_int_equal(in(0x70, 1), 0xff);
}

static void the_clock_can_be_set(void **state)
{
    (void)state;
    set_clock(2024, 2, 29, 23, 59, 58);
    assert_clock(2024, 2, 29, 23, 59, 58);
    machine_sleep(3 * S);
    assert_clock(2024, 3, 1, 0, 0, 1);
    set_clock(1999, 12, 31, 23, 59, 59);
    assert_int_equal(cmos(6), 6); /* a Friday */
    machine_sleep(S);
    assert_clock(2000, 1, 1, 0, 0, 0);
    assert_int_equal(cmos(6), 7);
    cmos_set(2, 30); /* without stopping it */
    assert_clock(2000, 1, 1, 0, 30, 0);
    set_clock(2100, 2, 28, 12, 0, 0);
    machine_sleep(86400 * S);
    assert_clock(2100, 3, 1, 12, 0, 0);
    cmos_reset(GUEST); /* a restart keeps what it was set to */
    cmos_set(11, 0x06);
    assert_clock(2100, 3, 1, 12, 0, 0);
}

/* --- Watchdog --- */

static void keep_alive_keeps_alive(void **state)
{
    (void)state;
    machine_write(DOG(WDAT_COUNT), 4, 50);
    machine_write(DOG(WDAT_CONTROL), 4, 1);
    for (uint32_t i = 0; i < 20; i++) {
        machine_on(1 + i % 2); /* from either vCPU */
        machine_sleep(4 * S);
        assert_int_equal(machine_read(DOG(WDAT_REMAINING), 4), 10);
        machine_write(DOG(WDAT_PING), 4, 0);
    }
    machine_write(DOG(WDAT_CONTROL), 4, 0);
    machine_sleep(1000 * S);
    assert_int_equal(machine.stops, 0);
    assert_int_equal(machine_read(DOG(WDAT_STATUS), 4), 0);
}

static void silence_stops_the_guest(void **state)
{
    (void)state;
    machine_write(DOG(WDAT_COUNT), 4, 50);
    machine_write(DOG(WDAT_CONTROL), 4, 1);
    machine_sleep(5 * S - 1);
    assert_int_equal(machine.stops, 0);
    machine_sleep(2);
    assert_int_equal(machine.stops, 1);
    assert_int_equal(machine.cause, CAUSE_WATCHDOG);
    wdat_reset(GUEST);
    machine_sleep(1000 * S);
    assert_int_equal(machine.stops, 1);
    assert_int_equal(machine_read(DOG(WDAT_CONTROL), 4), 0);
    assert_int_equal(machine_read(DOG(WDAT_STATUS), 4), 1); /* the next start learns why */
    machine_write(DOG(WDAT_STATUS), 4, 1);
    assert_int_equal(machine_read(DOG(WDAT_STATUS), 4), 0);
}

static void decode_is_total(void **state)
{
    (void)state;
    for (uint32_t port = 0; port < 0x10000; port++)
        for (uint8_t width = 1; width <= 4; width *= 2)
            for (uint32_t value = 0; value < 4; value++) {
                out((uint16_t)port, width, value * 0x55555555);
                in((uint16_t)port, width);
            }
    for (uint32_t index = 0; index < 256; index++)
        for (uint32_t value = 0; value < 256; value++) {
            cmos_set((uint8_t)index, (uint8_t)value);
            cmos((uint8_t)index);
        }
    for (uint64_t offset = 0; offset < PAGE_SIZE; offset++)
        for (uint32_t width = 1; width <= 8; width *= 2) {
            assert_int_equal(machine_write(DOG(offset), width, UINT64_MAX), MMIO_DONE);
            machine_read(DOG(offset), width);
        }
    cmos_reset(GUEST);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nobody_reads_ones, setup),
        cmocka_unit_test_setup(ports_can_be_given, setup),
        cmocka_unit_test_setup(output_goes_to_the_ring, setup),
        cmocka_unit_test_setup(drivers_recognize_a_16550a, setup),
        cmocka_unit_test_setup(the_transmitter_interrupts_when_asked, setup),
        cmocka_unit_test_setup(input_interrupts_and_is_read, setup),
        cmocka_unit_test_setup(the_clock_tells_the_board_s_time, setup),
        cmocka_unit_test_setup(the_clock_can_be_set, setup),
        cmocka_unit_test_setup(keep_alive_keeps_alive, setup),
        cmocka_unit_test_setup(silence_stops_the_guest, setup),
        cmocka_unit_test_setup(decode_is_total, setup),
    };

    machine_init();
    console_init();
    channel_init();
    uart16550_init(GUEST);
    cmos_init(GUEST);
    wdat_init(GUEST);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
