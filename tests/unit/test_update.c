// SPDX-License-Identifier: Apache-2.0
/* Updates (docs/update.md): what is written and what is refused, with every byte of a manifest. */
#include "two_slots.h"

static void test_an_update(void **test)
{
    struct slots slots;
    uint32_t taken;

    (void)test;
    assert_int_equal(update_running(), 0);
    assert_int_equal(trial_state(), TRIAL_NONE);
    assert_int_equal(update_version_minimum(), 4); /* it was confirmed */
    assert_string_equal(send(&second, second.size), "");
    slots = record();
    assert_true(slots_next(&slots) == 1 && !slots.slot[1].successful && slots.slot[1].tries == 1);
    assert_true(slots.slot[0].successful && slots.slot[0].tries == 7);
    assert_string_equal(update_manifest(1)->release, "release second");
    fake_disk_power_cut(fake);
    assert_ptr_equal(boot(&taken), &second);
    start(&second, true);
    settle_down();
    assert_int_equal(trial_state(), TRIAL_CONFIRMED);
    assert_int_equal(update_running(), 1);
    assert_int_equal(update_version_minimum(), 5);
    for (uint32_t i = 0; i < 20; i++) { /* a confirmed slot loses nothing */
        fake_disk_power_cut(fake);
        assert_ptr_equal(boot(&taken), &second);
        start(&second, true);
        settle_down();
        slots = record();
        assert_true(slots.slot[1].successful && slots.slot[1].tries == 7);
    }
    assert_non_null(strstr(send(&first, first.size), "its version, 4, is too old: this appliance takes 5 or later"));
    assert_int_equal(update_status()->failed, 1);
}

/* Each byte of a manifest, and of what fills its block up: found at the next start, and named. */
static void test_each_byte_of_a_manifest(void **test)
{
    uint8_t *block = slot_of(fake->cached, 1) + SLOT_SECTORS * 512 - SLOT_MANIFEST_BYTES;
    uint32_t by_another_key = 0;

    (void)test;
    assert_true(update_manifest_problem(0) == NULL && update_manifest_problem(1) == NULL);
    for (uint32_t at = 0; at < SLOT_MANIFEST_BYTES; at++) {
        const char *named;

        block[at] ^= (uint8_t)(1 << at % 8);
        start(&first, true);
        settle_down();
        named = update_manifest_problem(1);
        assert_non_null(named);
        assert_non_null(strstr(logged, "update: slot b: its manifest is "));
        assert_true(update_manifest_problem(0) == NULL && update_manifest(0) != NULL);
        if (strcmp(named, "its manifest is damaged") == 0)
            assert_null(update_manifest(1));
        else
            by_another_key++;
        block[at] ^= (uint8_t)(1 << at % 8);
    }
    assert_int_equal(by_another_key, 8); /* the key's name */
    memset(block, 0, SLOT_MANIFEST_BYTES);
    start(&first, true);
    settle_down();
    assert_true(update_manifest(1) == NULL && update_manifest_problem(1) == NULL); /* there is none */
}

static void refused(const char *name, const char *why)
{
    struct file file = load(name);
    const char *said = send(&file, file.size);

    assert_non_null(strstr(said, why));
    assert_int_equal(update_status()->phase, UPDATE_FAILED);
    free(file.data);
}

static void test_what_is_refused(void **test)
{
    struct slots slots;
    struct file file = load("exact");

    (void)test;
    assert_int_equal(file.size, MANIFEST_BYTES + 131072);
    refused("large", "it has 131073 bytes, and a slot has room for 131072");
    refused("old", "its version, 2, is too old: this appliance takes 4 or later");
    refused("other", "it is signed with another key");
    refused("board", "it is for the board another board; this is test board");
    file.data[MANIFEST_BYTES - 1] ^= 1;
    assert_string_equal(send(&file, file.size), "its signature is wrong");
    file.data[MANIFEST_BYTES - 1] ^= 1;
    file.data[200] ^= 1;
    assert_non_null(strstr(send(&file, file.size), "this is no update"));
    file.data[200] ^= 1;
    slots = record();
    assert_true(slots.slot[1].successful); /* nothing has been touched */
    assert_true(slot_has(1, &first));
    file.data[60000] ^= 1;
    assert_string_equal(send(&file, file.size), "what arrived is not what was signed: the file is damaged");
    file.data[60000] ^= 1;
    slots = record();
    assert_true(slots_next(&slots) == 0 && slots.slot[1].tries == 0);
    assert_string_equal(send(&file, file.size / 2), "the connection was lost");
    assert_string_equal(send(&file, 100), "the connection was lost");
    fake->fail_sector = B + 100;
    assert_string_equal(send(&file, file.size), "the disk fails while slot b is written");
    fake->fail_sector = UINT64_MAX;
    fake->disk.read_only = true;
    assert_string_equal(send(&file, file.size), "the disk is read-only");
    fake->disk.read_only = false;
    assert_string_equal(send(&file, file.size), "");
    free(file.data);
}

/* 512 bytes to 4096: not even room for the manifest; nothing behind the slot is written. */
static void test_a_slot_without_room(void **test)
{
    static uint8_t before[SECTORS * 512];

    (void)test;
    for (uint32_t sectors = 1; sectors <= 8; sectors++) {
        new_disk(sectors);
        power();
        start(&first, true);
        settle_down();
        memcpy(before, fake->cached, sizeof before);
        assert_non_null(strstr(send(&second, second.size), "and a slot has room for 0"));
        assert_memory_equal(before, fake->cached, sizeof before);
    }
}

static void test_another_program_signs(void **test)
{
    struct file file = load("elsewhere");
    uint32_t taken;

    (void)test;
    assert_string_equal(send(&file, file.size), "");
    assert_ptr_equal(boot(&taken), &first);
    assert_int_equal(taken, 1);
    free(file.data);
}

static void test_a_damaged_slot_is_not_kept(void **test)
{
    (void)test;
    /* The loader found slot A damaged, and did not note that it went on to B: an update goes to A. */
    slot_of(fake->cached, 0)[50000] ^= 1;
    memcpy(fake->stable, fake->cached, SECTORS * 512);
    assert_string_equal(send(&second, second.size), "");
    assert_int_equal(update_status()->slot, 0);
    assert_true(slot_has(0, &second) && slot_has(1, &first));
}

static void test_nothing_is_whole(void **test)
{
    (void)test;
    slot_of(fake->cached, 0)[50000] ^= 1;
    slot_of(fake->cached, 1)[50] ^= 1;
    assert_non_null(strstr(send(&second, second.size), "no slot on the disk is whole"));
}

static void test_a_lost_record_is_made_anew(void **test)
{
    struct slots slots;

    (void)test;
    memset(fake->cached + STATE_AT * 512, 0, 8192);
    start(&first, true);
    settle_down();
    assert_false(slots_get(&slots));
    assert_string_equal(send(&second, second.size), "");
    slots = record();
    assert_true(slots_next(&slots) == 1 && slots.slot[0].successful);
}

/* The slot that runs was damaged on the disk since, and the other one is whole but closed: that is what the next boot
 * has while the damaged one is filled. */
static void test_what_is_kept_boots(void **test)
{
    struct slots slots = record();
    uint32_t taken;

    (void)test;
    slots_close(&slots, 1);
    assert_true(slots_put(&slots, was_written));
    settle_down();
    slot_of(fake->cached, 0)[50000] ^= 1;
    memcpy(fake->stable, fake->cached, SECTORS * 512);
    assert_string_equal(send(&second, second.size / 2), "the connection was lost");
    assert_int_equal(update_status()->slot, 0);
    fake_disk_power_cut(fake);
    assert_ptr_equal(boot(&taken), &first);
    assert_int_equal(taken, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_update),           TEST(test_each_byte_of_a_manifest),    TEST(test_what_is_refused),
        TEST(test_a_slot_without_room), TEST(test_another_program_signs),      TEST(test_a_damaged_slot_is_not_kept),
        TEST(test_nothing_is_whole),    TEST(test_a_lost_record_is_made_anew), TEST(test_what_is_kept_boots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
