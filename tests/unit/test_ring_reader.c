/* SPDX-License-Identifier: Apache-2.0 */
/* Readers of byte rings: late ones, slow ones, and a writer that overtakes them. */
#include <lib/ring_reader.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define SIZE 64u

static struct byte_ring *ring;

static int setup(void **state)
{
    (void)state;
    ring = calloc(1, sizeof *ring + SIZE);
    ring->magic = RING_MAGIC;
    ring->size = SIZE;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(ring);
    return 0;
}

/* Byte i of the stream is i modulo 251. */
static void write_bytes(uint32_t count)
{
    while (count--) {
        ring->data[ring->head % SIZE] = (uint8_t)(ring->head % 251);
        ring->head++;
    }
}

static void read_and_check(struct ring_reader *reader, size_t expected)
{
    uint8_t buffer[2 * SIZE];
    size_t length = ring_reader_read(reader, buffer, sizeof buffer);

    assert_int_equal(length, expected);
    for (size_t i = 0; i < length; i++)
        assert_int_equal(buffer[i], (reader->position - length + i) % 251);
}

static void a_reader_sees_everything_in_order(void **state)
{
    struct ring_reader reader;

    (void)state;
    ring_reader_init(&reader, ring, false);
    assert_true(ring_reader_empty(&reader));
    for (uint32_t i = 0; i < 1000; i++) {
        write_bytes(i % (SIZE + 1));
        read_and_check(&reader, i % (SIZE + 1));
    }
    assert_int_equal(reader.lost, 0);
}

static void small_buffers_read_piecewise(void **state)
{
    struct ring_reader reader;
    uint8_t byte;

    (void)state;
    ring_reader_init(&reader, ring, false);
    write_bytes(SIZE);
    for (uint32_t i = 0; i < SIZE; i++) {
        assert_int_equal(ring_reader_read(&reader, &byte, 1), 1);
        assert_int_equal(byte, i % 251);
    }
    assert_int_equal(ring_reader_read(&reader, &byte, 1), 0);
}

static void a_late_reader_starts_at_the_oldest_byte_or_now(void **state)
{
    struct ring_reader oldest, now;

    (void)state;
    write_bytes(1000);
    ring_reader_init(&oldest, ring, false);
    ring_reader_init(&now, ring, true);
    read_and_check(&oldest, SIZE);
    read_and_check(&now, 0);
    assert_int_equal(oldest.lost, 0);
}

static void a_slow_reader_loses_the_oldest_and_knows_how_many(void **state)
{
    struct ring_reader reader;

    (void)state;
    ring_reader_init(&reader, ring, false);
    write_bytes(10);
    read_and_check(&reader, 10);
    write_bytes(SIZE + 7);
    assert_false(ring_reader_empty(&reader));
    read_and_check(&reader, SIZE);
    assert_int_equal(reader.lost, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_reader_sees_everything_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(small_buffers_read_piecewise, setup, teardown),
        cmocka_unit_test_setup_teardown(a_late_reader_starts_at_the_oldest_byte_or_now, setup, teardown),
        cmocka_unit_test_setup_teardown(a_slow_reader_loses_the_oldest_and_knows_how_many, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
