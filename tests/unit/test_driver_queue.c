/* SPDX-License-Identifier: Apache-2.0 */
/* The driver side of a virtqueue against a device that behaves, and one that does not. */
#include <devices/virtio/driver_queue.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define SIZE 8

struct fixture {
    struct driver_queue queue;
    void *memory;
    uint16_t seen; /* the device's index into the available ring */
};

static void open_queue(struct fixture *f, bool event_index)
{
    size_t bytes = driver_queue_bytes(SIZE);

    f->memory = aligned_alloc(DRIVER_QUEUE_ALIGN, (bytes + 15) & ~15ul);
    memset(f->memory, 0, bytes);
    driver_queue_init(&f->queue, SIZE, event_index, f->memory);
    f->seen = 0;
}

static void use(struct fixture *f, uint32_t head, uint32_t length)
{
    struct virtio_used *used = f->queue.used;

    used->ring[used->index % SIZE] = (struct virtio_used_element){head, length};
    used->index++;
}

/* The device takes the next available chain. */
static uint16_t take_available(struct fixture *f)
{
    assert_int_not_equal(f->seen, f->queue.available->index);
    return f->queue.available->ring[f->seen++ % SIZE];
}

static bool add(struct fixture *f, uint32_t readable, uint32_t writable, void *token)
{
    static uint8_t bytes[SIZE][100];
    struct driver_segment segment[SIZE + 1];

    for (uint32_t i = 0; i < readable + writable; i++)
        segment[i] = (struct driver_segment){bytes[i % SIZE], 100};
    return driver_queue_add(&f->queue, segment, readable, writable, token);
}

static void chains_are_linked_and_come_back_in_any_order(void **state)
{
    struct fixture f;
    uint32_t written;
    int a, b, c;

    (void)state;
    open_queue(&f, false);
    for (int round = 0; round < 100000; round++) {
        uint16_t head_a, head_b, head_c;
        const struct virtio_descriptor *d = f.queue.descriptor;

        assert_true(add(&f, 1, 2, &a));
        assert_true(add(&f, 2, 0, &b));
        assert_true(add(&f, 0, 3, &c));
        assert_false(add(&f, 1, 0, &c)); /* all 8 are taken */
        head_a = take_available(&f), head_b = take_available(&f), head_c = take_available(&f);
        assert_int_equal(d[head_a].flags, VIRTIO_DESCRIPTOR_NEXT);
        assert_int_equal(d[d[head_a].next].flags, VIRTIO_DESCRIPTOR_NEXT | VIRTIO_DESCRIPTOR_WRITE);
        assert_int_equal(d[d[d[head_a].next].next].flags, VIRTIO_DESCRIPTOR_WRITE);
        use(&f, head_c, 300);
        use(&f, head_a, 1);
        use(&f, head_b, 0);
        assert_ptr_equal(driver_queue_take(&f.queue, &written), &c);
        assert_int_equal(written, 300);
        assert_ptr_equal(driver_queue_take(&f.queue, &written), &a);
        assert_int_equal(written, 1);
        assert_ptr_equal(driver_queue_take(&f.queue, &written), &b);
        assert_null(driver_queue_take(&f.queue, &written));
        assert_int_equal(f.queue.free_count, SIZE);
    }
    free(f.memory);
}

static void a_length_beyond_the_buffers_is_cut(void **state)
{
    struct fixture f;
    uint32_t written;
    int a;

    (void)state;
    open_queue(&f, false);
    assert_true(add(&f, 1, 2, &a));
    use(&f, take_available(&f), UINT32_MAX);
    assert_ptr_equal(driver_queue_take(&f.queue, &written), &a);
    assert_int_equal(written, 200);
    free(f.memory);
}

static void what_was_never_given_breaks_the_queue(void **state)
{
    const uint32_t wrong[] = {1, SIZE - 1, SIZE, 0x10000, UINT32_MAX};
    uint32_t written;
    int a;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct fixture f;

        open_queue(&f, false);
        assert_true(add(&f, 0, 1, &a)); /* head 0 */
        use(&f, wrong[i], 0);
        assert_null(driver_queue_take(&f.queue, &written));
        assert_true(f.queue.broken);
        assert_false(add(&f, 0, 1, &a));
        assert_false(driver_queue_interrupt_enable(&f.queue));
        assert_ptr_equal(driver_queue_abandon(&f.queue), &a);
        assert_null(driver_queue_abandon(&f.queue));
        free(f.memory);
    }
}

static void a_chain_used_twice_breaks_the_queue(void **state)
{
    struct fixture f;
    uint32_t written;
    int a;

    (void)state;
    open_queue(&f, false);
    assert_true(add(&f, 0, 2, &a));
    use(&f, 0, 0);
    use(&f, 0, 0);
    assert_ptr_equal(driver_queue_take(&f.queue, &written), &a);
    assert_null(driver_queue_take(&f.queue, &written));
    assert_true(f.queue.broken);
    free(f.memory);
}

static void the_middle_of_a_chain_breaks_the_queue(void **state)
{
    struct fixture f;
    uint32_t written;
    int a;

    (void)state;
    open_queue(&f, false);
    assert_true(add(&f, 0, 3, &a));
    use(&f, f.queue.descriptor[0].next, 0);
    assert_null(driver_queue_take(&f.queue, &written));
    assert_true(f.queue.broken);
    free(f.memory);
}

static void a_used_index_that_runs_away_breaks_the_queue(void **state)
{
    struct fixture f;
    uint32_t written, taken = 0;
    int a;

    (void)state;
    open_queue(&f, false);
    assert_true(add(&f, 0, 1, &a));
    f.queue.used->index = SIZE + 1;
    while (driver_queue_take(&f.queue, &written))
        taken++;
    assert_int_equal(taken, 0);
    assert_true(f.queue.broken);
    free(f.memory);
}

static void shared_memory_overwritten_by_the_device_changes_nothing_of_ours(void **state)
{
    struct fixture f;
    uint32_t written;
    int a, b;

    (void)state;
    open_queue(&f, true);
    assert_true(add(&f, 0, 4, &a));
    assert_true(add(&f, 0, 4, &b));
    memset(f.memory, 0xff, driver_queue_bytes(SIZE));
    f.queue.used->index = 0;
    use(&f, 4, 0);
    use(&f, 0, 0);
    assert_ptr_equal(driver_queue_take(&f.queue, &written), &b);
    assert_ptr_equal(driver_queue_take(&f.queue, &written), &a);
    for (int i = 0; i < SIZE; i++)
        assert_true(add(&f, 1, 0, &a));
    assert_false(add(&f, 1, 0, &a));
    free(f.memory);
}

static void the_device_is_told_once_and_only_if_it_asks(void **state)
{
    struct fixture f;
    int a;

    (void)state;
    open_queue(&f, false);
    assert_false(driver_queue_kick_needed(&f.queue));
    assert_true(add(&f, 1, 0, &a));
    assert_true(driver_queue_kick_needed(&f.queue));
    assert_false(driver_queue_kick_needed(&f.queue));
    f.queue.used->flags = VIRTIO_USED_NO_NOTIFY;
    assert_true(add(&f, 1, 0, &a));
    assert_false(driver_queue_kick_needed(&f.queue));
    free(f.memory);

    open_queue(&f, true);
    memset(&f.queue.used->ring[SIZE], 0, 2); /* avail_event 0: tell me of the first */
    assert_true(add(&f, 1, 0, &a));
    assert_true(driver_queue_kick_needed(&f.queue));
    assert_true(add(&f, 1, 0, &a));
    assert_false(driver_queue_kick_needed(&f.queue));
    free(f.memory);
}

static void work_that_came_before_the_wish_for_an_interrupt_is_seen(void **state)
{
    struct fixture f;
    uint32_t written;
    int a;

    (void)state;
    for (int event_index = 0; event_index < 2; event_index++) {
        open_queue(&f, event_index);
        assert_true(add(&f, 1, 0, &a));
        assert_false(driver_queue_interrupt_enable(&f.queue));
        use(&f, take_available(&f), 0);
        assert_true(driver_queue_interrupt_enable(&f.queue));
        assert_ptr_equal(driver_queue_take(&f.queue, &written), &a);
        assert_false(driver_queue_interrupt_enable(&f.queue));
        if (event_index)
            assert_int_equal(f.queue.available->ring[SIZE], 1);
        free(f.memory);
    }
}

static void an_indirect_chain_takes_one_slot(void **state)
{
    struct fixture f;
    struct virtio_descriptor table[16];
    struct driver_segment segment[16];
    uint32_t written;
    int a;

    (void)state;
    open_queue(&f, false);
    for (int i = 0; i < 16; i++)
        segment[i] = (struct driver_segment){&table, 8};
    assert_true(driver_queue_add_indirect(&f.queue, table, segment, 15, 1, &a));
    assert_int_equal(f.queue.free_count, SIZE - 1);
    assert_int_equal(f.queue.descriptor[0].flags, VIRTIO_DESCRIPTOR_INDIRECT);
    assert_int_equal(f.queue.descriptor[0].length, sizeof table);
    assert_int_equal(table[14].flags, VIRTIO_DESCRIPTOR_NEXT);
    assert_int_equal(table[14].next, 15);
    assert_int_equal(table[15].flags, VIRTIO_DESCRIPTOR_WRITE);
    use(&f, take_available(&f), 9);
    assert_ptr_equal(driver_queue_take(&f.queue, &written), &a);
    assert_int_equal(written, 8);
    assert_int_equal(f.queue.free_count, SIZE);
    free(f.memory);
}

/* Random bytes where the device writes: no token comes twice, nothing is lost, every step ends. */
static void random_devices_break_no_bookkeeping(void **state)
{
    (void)state;
    srand(1);
    for (int run = 0; run < 2000; run++) {
        struct fixture f;
        bool out[SIZE] = {false};
        int token[SIZE], outstanding = 0;
        uint32_t written;

        open_queue(&f, run & 1);
        for (int step = 0; step < 200; step++) {
            int *back;

            for (int i = 0; i < SIZE; i++)
                if (!out[i] && rand() % 2 && add(&f, (uint32_t)(rand() % 3), 1, &token[i])) {
                    out[i] = true;
                    outstanding++;
                }
            if (rand() % 4 == 0)
                f.queue.used->index = (uint16_t)(f.queue.used->index + rand() % 3);
            for (int i = 0; i < SIZE; i++)
                f.queue.used->ring[i] = (struct virtio_used_element){(uint32_t)(rand() % (SIZE + 1)), (uint32_t)rand()};
            driver_queue_kick_needed(&f.queue);
            while ((back = driver_queue_take(&f.queue, &written))) {
                assert_in_range(back - token, 0, SIZE - 1);
                assert_true(out[back - token]);
                out[back - token] = false;
                outstanding--;
                assert_true(written <= 100);
            }
        }
        while (driver_queue_abandon(&f.queue))
            outstanding--;
        assert_int_equal(outstanding, 0);
        assert_int_equal(f.queue.free_count, SIZE);
        free(f.memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_are_linked_and_come_back_in_any_order),
        cmocka_unit_test(a_length_beyond_the_buffers_is_cut),
        cmocka_unit_test(what_was_never_given_breaks_the_queue),
        cmocka_unit_test(a_chain_used_twice_breaks_the_queue),
        cmocka_unit_test(the_middle_of_a_chain_breaks_the_queue),
        cmocka_unit_test(a_used_index_that_runs_away_breaks_the_queue),
        cmocka_unit_test(shared_memory_overwritten_by_the_device_changes_nothing_of_ours),
        cmocka_unit_test(the_device_is_told_once_and_only_if_it_asks),
        cmocka_unit_test(work_that_came_before_the_wish_for_an_interrupt_is_seen),
        cmocka_unit_test(an_indirect_chain_takes_one_slot),
        cmocka_unit_test(random_devices_break_no_bookkeeping),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
