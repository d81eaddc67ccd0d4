/* SPDX-License-Identifier: Apache-2.0 */
/* The device side of virtqueues against a driver that keeps the rules, and against drivers that do not. */
#include <lib/virtqueue.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BASE 0x40000000ull
#define MEMORY 0x20000u
#define SIZE 16u
#define DESCRIPTORS 0x0000u
#define AVAILABLE 0x1000u
#define USED 0x2000u
#define TABLE 0x3000u /* of indirect descriptors */
#define DATA 0x10000u
#define ALL (VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC)

static uint8_t *memory; /* exactly what is granted: a byte beyond is the sanitizer's */
static struct grant grant;
static struct virtqueue queue;
static struct virtqueue_chain chain;
static struct segment segments[64];

static struct channel_queue place(void)
{
    return (struct channel_queue){
        .size = SIZE, .ready = 1, .descriptors = BASE + DESCRIPTORS, .driver = BASE + AVAILABLE, .device = BASE + USED};
}

static int setup(void **state)
{
    struct channel_queue where = place();

    (void)state;
    memory = calloc(1, MEMORY);
    grant = (struct grant){.guest_base = BASE, .size = MEMORY, .base = memory};
    return virtqueue_start(&queue, &grant, &where, ALL, false) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    free(memory);
    return 0;
}

static struct virtio_available *available(void)
{
    return (struct virtio_available *)(memory + AVAILABLE);
}

static struct virtio_used *used(void)
{
    return (struct virtio_used *)(memory + USED);
}

static void describe(uint32_t table, uint32_t index, uint64_t address, uint32_t length, uint16_t flags, uint16_t next)
{
    struct virtio_descriptor *descriptor = (struct virtio_descriptor *)(memory + table) + index;

    *descriptor = (struct virtio_descriptor){.address = address, .length = length, .flags = flags, .next = next};
}

static void offer(uint16_t head)
{
    available()->ring[available()->index % SIZE] = head;
    available()->index++;
}

static enum virtqueue_result take(void)
{
    return virtqueue_take(&queue, &chain, segments, 64);
}

static void assert_broken(void)
{
    assert_int_equal(take(), VIRTQUEUE_EMPTY);
    assert_true(queue.broken);
    assert_int_equal(take(), VIRTQUEUE_EMPTY);
    assert_false(virtqueue_notify_enable(&queue));
}

static void test_chain(void **state)
{
    (void)state;
    describe(DESCRIPTORS, 3, BASE + DATA, 100, VIRTIO_DESCRIPTOR_NEXT, 5);
    describe(DESCRIPTORS, 5, BASE + DATA + 100, 0, VIRTIO_DESCRIPTOR_NEXT, 6);
    describe(DESCRIPTORS, 6, BASE + MEMORY - 50, 50, VIRTIO_DESCRIPTOR_WRITE, 0);
    assert_int_equal(take(), VIRTQUEUE_EMPTY);
    offer(3);
    assert_int_equal(take(), VIRTQUEUE_TAKEN);
    assert_int_equal(chain.head, 3);
    assert_int_equal(chain.readable, 1);
    assert_int_equal(chain.writable, 1);
    assert_int_equal(chain.readable_bytes, 100);
    assert_int_equal(chain.writable_bytes, 50);
    assert_ptr_equal(segments[0].base, memory + DATA);
    assert_ptr_equal(segments[1].base, memory + MEMORY - 50);
    assert_int_equal(used()->index, 0);
    virtqueue_return(&queue, chain.head, 7);
    assert_int_equal(used()->index, 0);
    virtqueue_publish(&queue);
    assert_int_equal(used()->index, 1);
    assert_int_equal(used()->ring[0].head, 3);
    assert_int_equal(used()->ring[0].length, 7);
}

static void test_indirect(void **state)
{
    (void)state;
    describe(DESCRIPTORS, 0, BASE + TABLE, 3 * 16, VIRTIO_DESCRIPTOR_INDIRECT, 0);
    describe(TABLE, 0, BASE + DATA, 10, VIRTIO_DESCRIPTOR_NEXT, 2);
    describe(TABLE, 2, BASE + DATA + 10, 20, VIRTIO_DESCRIPTOR_NEXT, 1);
    describe(TABLE, 1, BASE + DATA + 30, 30, VIRTIO_DESCRIPTOR_WRITE, 0);
    offer(0);
    assert_int_equal(take(), VIRTQUEUE_TAKEN);
    assert_int_equal(chain.readable, 2);
    assert_int_equal(chain.readable_bytes, 30);
    assert_int_equal(chain.writable_bytes, 30);
}

static void test_plain_descriptor_before_indirect_table(void **state)
{
    (void)state;
    describe(DESCRIPTORS, 0, BASE + DATA, 1, VIRTIO_DESCRIPTOR_NEXT, 1);
    describe(DESCRIPTORS, 1, BASE + TABLE, 16, VIRTIO_DESCRIPTOR_INDIRECT, 0);
    describe(TABLE, 0, BASE + DATA, 10, 0, 0);
    offer(0);
    assert_int_equal(take(), VIRTQUEUE_TAKEN);
    assert_int_equal(chain.readable_bytes, 11);
}

static void test_too_long_for_caller(void **state)
{
    (void)state;
    describe(DESCRIPTORS, 0, BASE + DATA, 1, VIRTIO_DESCRIPTOR_NEXT, 1);
    describe(DESCRIPTORS, 1, BASE + DATA, 1, VIRTIO_DESCRIPTOR_NEXT, 2);
    describe(DESCRIPTORS, 2, BASE + DATA, 1, 0, 0);
    offer(0);
    assert_int_equal(virtqueue_take(&queue, &chain, segments, 2), VIRTQUEUE_TOO_LONG);
    assert_int_equal(chain.readable, 0);
    assert_false(queue.broken);
    virtqueue_return(&queue, chain.head, 0);
    virtqueue_publish(&queue);
    assert_int_equal(used()->index, 1);
}

static void test_untake_reads_anew(void **state)
{
    (void)state;
    describe(DESCRIPTORS, 0, BASE + DATA, 1, 0, 0);
    offer(0);
    offer(0);
    assert_int_equal(take(), VIRTQUEUE_TAKEN);
    assert_int_equal(take(), VIRTQUEUE_TAKEN);
    virtqueue_untake(&queue, 2);
    describe(DESCRIPTORS, 0, BASE + DATA, 9, 0, 0);
    assert_int_equal(take(), VIRTQUEUE_TAKEN);
    assert_int_equal(chain.readable_bytes, 9);
    assert_int_equal(take(), VIRTQUEUE_TAKEN);
    assert_int_equal(take(), VIRTQUEUE_EMPTY);
}

static void test_event_index(void **state)
{
    uint16_t *used_event = &available()->ring[SIZE];
    uint16_t *avail_event = (uint16_t *)&used()->ring[SIZE];

    (void)state;
    describe(DESCRIPTORS, 0, BASE + DATA, 1, 0, 0);
    *used_event = 1; /* not for the first, but for the second */
    for (int i = 0; i < 3; i++) {
        offer(0);
        assert_int_equal(take(), VIRTQUEUE_TAKEN);
        virtqueue_return(&queue, 0, 0);
        virtqueue_publish(&queue);
        assert_int_equal(virtqueue_signal_wanted(&queue), i == 1);
        assert_false(virtqueue_signal_wanted(&queue));
    }
    assert_int_equal(*avail_event, 0); /* the driver was never asked to ring again */
    assert_false(virtqueue_notify_enable(&queue));
    assert_int_equal(*avail_event, 3);
    offer(0);
    assert_true(virtqueue_notify_enable(&queue));
}

static void test_flags_without_event_index(void **state)
{
    struct channel_queue where = place();

    (void)state;
    assert_true(virtqueue_start(&queue, &grant, &where, VIRTIO_F_VERSION_1, false));
    virtqueue_notify_disable(&queue);
    assert_int_equal(used()->flags, VIRTIO_USED_NO_NOTIFY);
    assert_false(virtqueue_notify_enable(&queue));
    assert_int_equal(used()->flags, 0);
    describe(DESCRIPTORS, 0, BASE + DATA, 1, 0, 0);
    for (int i = 0; i < 2; i++) {
        available()->flags = i ? VIRTIO_AVAILABLE_NO_INTERRUPT : 0;
        offer(0);
        assert_int_equal(take(), VIRTQUEUE_TAKEN);
        virtqueue_return(&queue, 0, 0);
        virtqueue_publish(&queue);
        assert_int_equal(virtqueue_signal_wanted(&queue), !i);
    }
    describe(DESCRIPTORS, 1, BASE + TABLE, 16, VIRTIO_DESCRIPTOR_INDIRECT, 0);
    offer(1); /* not negotiated */
    assert_broken();
}

static void test_indices_wrap(void **state)
{
    struct channel_queue where = place();

    (void)state;
    available()->index = used()->index = 65530;
    assert_true(virtqueue_start(&queue, &grant, &where, ALL, true));
    describe(DESCRIPTORS, 4, BASE + DATA, 1, 0, 0);
    for (int i = 0; i < 300; i++) {
        offer(4);
        assert_int_equal(take(), VIRTQUEUE_TAKEN);
        virtqueue_return(&queue, 4, 0);
        virtqueue_publish(&queue);
    }
    assert_int_equal(used()->index, (uint16_t)(65530 + 300));
}

/* Chains are shown to the driver in the order in which they were taken, whatever the order of completion. */
static void test_complete_in_any_order(void **state)
{
    uint16_t position[4];

    (void)state;
    for (uint16_t i = 0; i < 4; i++) {
        describe(DESCRIPTORS, i, BASE + DATA, 1, 0, 0);
        offer(i);
        assert_int_equal(take(), VIRTQUEUE_TAKEN);
        position[i] = chain.position;
    }
    virtqueue_complete(&queue, position[2], 12);
    virtqueue_complete(&queue, position[1], 11);
    assert_int_equal(used()->index, 0);
    assert_int_equal(virtqueue_in_flight(&queue), 4);
    virtqueue_complete(&queue, position[0], 10);
    assert_int_equal(used()->index, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(used()->ring[i].head, i);
        assert_int_equal(used()->ring[i].length, 10 + i);
    }
    virtqueue_complete(&queue, position[3], 13);
    assert_int_equal(used()->index, 4);
    assert_int_equal(virtqueue_in_flight(&queue), 0);
}

/* A new instance takes what the driver has not got back, once each, and interrupts once in any case. */
static void test_resume_loses_and_doubles_nothing(void **state)
{
    struct channel_queue where = place();
    uint16_t position[6];

    (void)state;
    for (uint16_t i = 0; i < 6; i++) {
        describe(DESCRIPTORS, i, BASE + DATA, 1, 0, 0);
        offer(i);
        assert_int_equal(take(), VIRTQUEUE_TAKEN);
        position[i] = chain.position;
    }
    virtqueue_complete(&queue, position[0], 0);
    virtqueue_complete(&queue, position[1], 0);
    virtqueue_complete(&queue, position[4], 0);
    assert_true(virtqueue_start(&queue, &grant, &where, ALL, true));
    assert_true(virtqueue_signal_wanted(&queue));
    assert_false(virtqueue_signal_wanted(&queue));
    for (uint16_t i = 2; i < 6; i++) {
        assert_int_equal(take(), VIRTQUEUE_TAKEN);
        assert_int_equal(chain.head, i);
        virtqueue_complete(&queue, chain.position, 0);
    }
    assert_int_equal(take(), VIRTQUEUE_EMPTY);
    assert_int_equal(used()->index, 6);
}

static void test_stopped_queue_touches_nothing(void **state)
{
    (void)state;
    describe(DESCRIPTORS, 0, BASE + DATA, 1, 0, 0);
    offer(0);
    assert_int_equal(take(), VIRTQUEUE_TAKEN);
    virtqueue_stop(&queue);
    virtqueue_complete(&queue, chain.position, 0);
    virtqueue_return(&queue, 0, 0);
    virtqueue_publish(&queue);
    virtqueue_notify_disable(&queue);
    assert_false(virtqueue_notify_enable(&queue));
    assert_false(virtqueue_signal_wanted(&queue));
    assert_int_equal(take(), VIRTQUEUE_EMPTY);
    assert_int_equal(used()->index, 0);
}

static void test_queue_outside_of_the_grant(void **state)
{
    const struct channel_queue wrong[] = {
        {.size = 0, .descriptors = BASE, .driver = BASE, .device = BASE},
        {.size = 3, .descriptors = BASE, .driver = BASE, .device = BASE},
        {.size = 512, .descriptors = BASE, .driver = BASE, .device = BASE},
        {.size = SIZE, .descriptors = BASE - 16, .driver = BASE, .device = BASE},
        {.size = SIZE, .descriptors = BASE + MEMORY - 16, .driver = BASE, .device = BASE},
        {.size = SIZE, .descriptors = BASE, .driver = BASE + MEMORY - 36, .device = BASE},
        {.size = SIZE, .descriptors = BASE, .driver = BASE, .device = BASE + MEMORY - 132},
        {.size = SIZE, .descriptors = UINT64_MAX - 15, .driver = BASE, .device = BASE},
        {.size = SIZE, .descriptors = BASE + 8, .driver = BASE, .device = BASE},
        {.size = SIZE, .descriptors = BASE, .driver = BASE + 1, .device = BASE},
        {.size = SIZE, .descriptors = BASE, .driver = BASE, .device = BASE + 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(virtqueue_start(&queue, &grant, &wrong[i], ALL, false));
        assert_broken();
    }
}

/* Each of these is one chain that breaks a rule. */
static void test_wild_chains(void **state)
{
    static const struct {
        uint64_t address;
        uint32_t length;
        uint16_t flags, next;
    } wild[] = {
        {BASE - 1, 2, 0, 0},                     /* begins before the grant */
        {BASE + MEMORY - 1, 2, 0, 0},            /* ends behind it */
        {BASE + MEMORY, 1, 0, 0},                /* behind it */
        {UINT64_MAX, 2, 0, 0},                   /* wraps round */
        {BASE, UINT32_MAX, 0, 0},                /* huge */
        {0, 1, 0, 0},                            /* this domain's own zero page */
        {BASE, 1, VIRTIO_DESCRIPTOR_NEXT, SIZE}, /* a descriptor that is not there */
        {BASE, 1, VIRTIO_DESCRIPTOR_NEXT, UINT16_MAX},
        {BASE, 1, VIRTIO_DESCRIPTOR_NEXT, 0}, /* a loop */
        {BASE, 0, VIRTIO_DESCRIPTOR_NEXT, 0}, /* a loop of nothing */
        {BASE + TABLE, 0, VIRTIO_DESCRIPTOR_INDIRECT, 0},
        {BASE + TABLE, 17, VIRTIO_DESCRIPTOR_INDIRECT, 0},
        {BASE + TABLE, 16 * (SIZE + 1), VIRTIO_DESCRIPTOR_INDIRECT, 0},
        {BASE + TABLE + 8, 16, VIRTIO_DESCRIPTOR_INDIRECT, 0},
        {BASE + MEMORY - 16, 32, VIRTIO_DESCRIPTOR_INDIRECT, 0},
        {BASE + TABLE, 16, VIRTIO_DESCRIPTOR_INDIRECT | VIRTIO_DESCRIPTOR_NEXT, 1},
        {BASE + DESCRIPTORS, 16, VIRTIO_DESCRIPTOR_INDIRECT, 0}, /* a table in itself */
    };

    for (size_t i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
        setup(state);
        describe(DESCRIPTORS, 0, wild[i].address, wild[i].length, wild[i].flags, wild[i].next);
        offer(0);
        assert_broken();
        teardown(state);
    }
    setup(state);
    offer(SIZE); /* a head that is not there */
    assert_broken();
    teardown(state);

    setup(state);
    describe(DESCRIPTORS, 0, BASE, 1, VIRTIO_DESCRIPTOR_WRITE | VIRTIO_DESCRIPTOR_NEXT, 1);
    describe(DESCRIPTORS, 1, BASE, 1, 0, 0); /* to the device behind from the device */
    offer(0);
    assert_broken();
    teardown(state);

    setup(state);
    describe(DESCRIPTORS, 0, BASE + TABLE, 32, VIRTIO_DESCRIPTOR_INDIRECT, 0);
    describe(TABLE, 0, BASE, 1, VIRTIO_DESCRIPTOR_NEXT, 2); /* outside of the table, inside of the queue */
    offer(0);
    assert_broken();
}

static void test_index_jumps(void **state)
{
    for (uint32_t jump = SIZE + 1; jump <= UINT16_MAX; jump += 977) {
        setup(state);
        available()->index = (uint16_t)jump;
        assert_broken();
        teardown(state);
    }
    setup(state);
    describe(DESCRIPTORS, 0, BASE, 1, 0, 0);
    available()->index = SIZE;
    for (uint32_t i = 0; i < SIZE; i++)
        assert_int_equal(take(), VIRTQUEUE_TAKEN);
    available()->index = SIZE - 1; /* backwards */
    assert_broken();
}

/* A driver that scribbles over its rings and tables while the device works never leads it outside of the grant. */
static void test_driver_that_scribbles(void **state)
{
    struct channel_queue where = place();

    (void)state;
    srand(1);
    for (int round = 0; round < 20000; round++) {
        virtqueue_start(&queue, &grant, &where, round % 3 ? ALL : VIRTIO_F_VERSION_1, round % 2);
        for (int step = 0; step < 8; step++) {
            enum virtqueue_result result;

            for (int i = 0; i < 24; i++) {
                uint32_t table = rand() % 2 ? DESCRIPTORS : TABLE;

                describe(table, (uint32_t)rand() % SIZE,
                         rand() % 4 ? BASE + (uint32_t)rand() % (MEMORY + 64)
                                    : (uint64_t)rand() << 32 | (uint32_t)rand(),
                         rand() % 4 ? (uint32_t)rand() % 128 * 16 : (uint32_t)rand(), (uint16_t)(rand() % 8),
                         (uint16_t)((uint32_t)rand() % (SIZE + 1)));
            }
            for (uint32_t i = 0; i < SIZE; i++)
                available()->ring[i] = (uint16_t)((uint32_t)rand() % (SIZE + (rand() % 8 == 0)));
            available()->index = (uint16_t)(queue.published + rand() % (SIZE + (rand() % 4 == 0)));
            used()->index = (uint16_t)(available()->index - rand() % SIZE);
            result = take();
            if (result != VIRTQUEUE_TAKEN)
                continue;
            assert_true(chain.readable + chain.writable <= 64);
            for (uint32_t i = 0; i < chain.readable + chain.writable; i++) {
                uint8_t *base = segments[i].base;

                assert_true(base >= memory && segments[i].length <= (size_t)(memory + MEMORY - base));
            }
            if (rand() % 2)
                virtqueue_complete(&queue, chain.position, chain.writable_bytes);
        }
    }
}

static void test_segments_copy(void **state)
{
    char text[12] = "abcdefghijkl", out[12];
    struct segment pieces[] = {{text, 3}, {text + 3, 0}, {text + 3, 5}, {text + 8, 4}};

    (void)state;
    assert_int_equal(segments_read(pieces, 4, 2, out, 8), 8);
    assert_memory_equal(out, "cdefghij", 8);
    assert_int_equal(segments_read(pieces, 4, 10, out, 8), 2);
    assert_int_equal(segments_read(pieces, 4, 12, out, 8), 0);
    assert_int_equal(segments_write(pieces, 4, 7, "XYZ", 3), 3);
    assert_memory_equal(text, "abcdefgXYZkl", 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_chain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_indirect, setup, teardown),
        cmocka_unit_test_setup_teardown(test_plain_descriptor_before_indirect_table, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_long_for_caller, setup, teardown),
        cmocka_unit_test_setup_teardown(test_untake_reads_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(test_event_index, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flags_without_event_index, setup, teardown),
        cmocka_unit_test_setup_teardown(test_indices_wrap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_complete_in_any_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_resume_loses_and_doubles_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stopped_queue_touches_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queue_outside_of_the_grant, setup, teardown),
        cmocka_unit_test_teardown(test_wild_chains, teardown),
        cmocka_unit_test_teardown(test_index_jumps, teardown),
        cmocka_unit_test_setup_teardown(test_driver_that_scribbles, setup, teardown),
        cmocka_unit_test(test_segments_copy),
    };

    return cmocka_run_group_tests_name("virtqueue", tests, NULL, NULL);
}
