// SPDX-License-Identifier: Apache-2.0
/* The slot record: its bytes, and that an update's trial comes back by itself (issue 5, points 2 and 5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <storage/slots.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

/* As U-Boot's `ab_select` leaves it after it set up defaults: both slots with priority 15 and 7 tries. */
static const uint8_t defaults[SLOTS_BYTES] = {
    '_', 'a', 0, 0, 'B', 'C', 'A', 'B', 1, 2, 0, 0, 0x7f, 0,    0x7f, 0,
    0,   0,   0, 0, 0,   0,   0,   0,   0, 0, 0, 0, 0x27, 0xef, 0x1f, 0x32,
};

static struct slots first_image(void)
{
    struct slots slots = {.last = -1};

    slots_confirm(&slots, 0);
    slots_close(&slots, 1);
    return slots;
}

static void test_bytes(void **state)
{
    uint8_t block[SLOTS_BYTES];
    struct slots slots;

    (void)state;
    assert_true(slots_parse(defaults, &slots));
    assert_int_equal(slots.last, 0);
    for (uint32_t i = 0; i < SLOTS; i++) {
        assert_int_equal(slots.slot[i].priority, 15);
        assert_int_equal(slots.slot[i].tries, 7);
        assert_false(slots.slot[i].successful || slots.slot[i].corrupted);
    }
    slots_write(&slots, block);
    assert_memory_equal(block, defaults, SLOTS_BYTES);
}

static void test_damage_is_found(void **state)
{
    uint8_t block[SLOTS_BYTES];
    struct slots slots;

    (void)state;
    for (uint32_t bit = 0; bit < SLOTS_BYTES * 8; bit++) {
        memcpy(block, defaults, sizeof(block));
        block[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(slots_parse(block, &slots));
        assert_true(slots_read(block, defaults, &slots));
        assert_true(slots_read(defaults, block, &slots));
        assert_false(slots_read(block, block, &slots));
    }
    memset(block, 0, sizeof(block));
    assert_false(slots_parse(block, &slots));
}

static void test_a_confirmed_slot_boots_for_ever(void **state)
{
    struct slots slots = first_image();

    (void)state;
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(slots_boot(&slots), 0);
    assert_int_equal(slots.slot[0].tries, SLOTS_TRIES_MAX);
}

static void test_a_trial_that_is_not_confirmed_comes_back(void **state)
{
    struct slots slots = first_image();

    (void)state;
    slots_close(&slots, 1);
    assert_int_equal(slots_next(&slots), 0); /* while it is filled */
    slots_trial(&slots, 1);
    assert_int_equal(slots_boot(&slots), 1);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(slots_boot(&slots), 0);
}

static void test_updates_forth_and_back(void **state)
{
    struct slots slots = first_image();
    uint8_t block[SLOTS_BYTES];

    (void)state;
    for (uint32_t i = 0; i < 40; i++) {
        uint32_t idle = 1 - (uint32_t)slots_next(&slots);

        slots_close(&slots, idle);
        slots_trial(&slots, idle);
        assert_int_equal(slots_boot(&slots), idle);
        slots_confirm(&slots, idle);
        slots_write(&slots, block);
        assert_true(slots_parse(block, &slots));
        for (uint32_t boot = 0; boot < 10; boot++)
            assert_int_equal(slots_boot(&slots), idle);
        slots.slot[idle].corrupted = true; /* the one before is still there */
        assert_int_equal(slots_next(&slots), 1 - idle);
        slots.slot[idle].corrupted = false;
    }
}

/* The slot that a loader could not start is told from one that is next for another reason. */
static void test_what_was_gone_by(void **state)
{
    uint8_t block[SLOTS_BYTES];
    struct slots slots = {.last = 0};

    (void)state;
    slots_confirm(&slots, 1);
    slots_confirm(&slots, 0);
    assert_int_equal(slots_gone_by(&slots, 0), -1);
    assert_int_equal(slots_gone_by(&slots, 1), 0);
    slots_refuse(&slots, 0);
    slots_write(&slots, block);
    assert_true(slots_parse(block, &slots) && slots.slot[0].corrupted && !slots.slot[1].corrupted);
    assert_int_equal(slots_next(&slots), 1);
    assert_int_equal(slots_gone_by(&slots, 1), -1);
    slots_trial(&slots, 0); /* it was filled */
    assert_true(slots_boot(&slots) == 0 && !slots.slot[0].corrupted);
    assert_int_equal(slots_gone_by(&slots, 0), -1); /* on trial: the other one is next */
    assert_int_equal(slots_gone_by(&slots, 1), -1); /* the trial was refused, or ended */
    slots_close(&slots, 1);
    assert_int_equal(slots_gone_by(&slots, 1), -1); /* a last resort */
}

static void test_nothing_boots(void **state)
{
    struct slots slots = first_image();

    (void)state;
    slots_close(&slots, 0);
    assert_int_equal(slots_boot(&slots), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_damage_is_found),
        cmocka_unit_test(test_a_confirmed_slot_boots_for_ever),
        cmocka_unit_test(test_a_trial_that_is_not_confirmed_comes_back),
        cmocka_unit_test(test_updates_forth_and_back),
        cmocka_unit_test(test_what_was_gone_by),
        cmocka_unit_test(test_nothing_boots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
