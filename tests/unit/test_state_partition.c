// SPDX-License-Identifier: Apache-2.0
/* The partition "state" on an appliance's disks, and writing the slot record (issue 5, points 5 and 7). */
#include "fake_disk.h"
#include <mgmt/bulkhead_log.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <storage/state_partition.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define SECTORS 4096u
#define FIRST 1000u

static struct fake_disk *fake;
static char logged[1024];
static int puts_done; /* 0: none; 1: with success; -1: without */

static const struct fake_partition partitions[] = {{"linux1", 100, 199}, {"state", FIRST, 1999}};
static const struct fake_partition others[] = {{"linux1", 100, 199}};
static const struct fake_partition tiny[] = {{"state", FIRST, 1299}};

void bulkhead_log(const char *format, ...)
{
    size_t length = strlen(logged);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(logged + length, sizeof(logged) - length, format, arguments);
    va_end(arguments);
}

/* A start that a power cut ends leaves what it allocated. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

static int setup(void **state)
{
    (void)state;
    fake = fake_disk_make(0, SECTORS);
    logged[0] = 0;
    puts_done = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_disk_free_all();
    return 0;
}

static void start(void)
{
    logged[0] = 0;
    state_partition_start();
    fake_disk_run_all(fake);
}

static void put_done(bool success)
{
    puts_done = success ? 1 : -1;
}

static uint8_t *record(uint32_t offset)
{
    return fake->cached + FIRST * 512 + offset;
}

static void write_records(struct slots slots)
{
    slots_write(&slots, record(SLOTS_OFFSET));
    slots_write(&slots, record(SLOTS_BACKUP_OFFSET));
    memcpy(fake->stable, fake->cached, SECTORS * 512);
}

static struct slots first_image(void)
{
    struct slots slots = {.last = -1};

    slots_confirm(&slots, 0);
    return slots;
}

static void test_none(void **state)
{
    struct slots slots;

    (void)state;
    fake_disk_write_gpt(fake, others, 1);
    start();
    assert_null(state_store());
    assert_string_equal(state_store_status(), "no disk has a partition \"state\"");
    assert_false(state_store_commit() || slots_get(&slots) || slots_put(&slots, put_done));
    assert_string_equal(logged, "");
    fake_disk_free_all();
    state_partition_start();
    assert_null(state_store());
}

static void test_on_the_second_disk(void **state)
{
    struct fake_disk *second = fake_disk_make(1, SECTORS);

    (void)state;
    fake_disk_write_gpt(fake, others, 1);
    fake_disk_write_gpt(second, partitions, 2);
    start();
    fake_disk_run_all(second);
    assert_non_null(state_store());
    assert_ptr_equal(state_store()->disk, &second->disk);
}

static void test_too_small(void **state)
{
    (void)state;
    fake_disk_write_gpt(fake, tiny, 1);
    start();
    assert_null(state_store());
    assert_non_null(strstr(logged, "too small"));
}

static void test_values_outlive_a_start(void **state)
{
    struct state_value value;

    (void)state;
    fake_disk_write_gpt(fake, partitions, 2);
    start();
    assert_string_equal(state_store_status(), "stored");
    assert_non_null(strstr(logged, "slot record is damaged, and so is its copy"));
    assert_int_equal(state_set(state_store(), "a", 0, "1", 1), STATE_SET);
    assert_true(state_store_commit());
    assert_string_equal(state_store_status(), "being stored");
    assert_int_equal(state_set(state_store(), "b", 0, "2", 1), STATE_SET);
    assert_true(state_store_commit()); /* after the first */
    fake_disk_run_all(fake);
    assert_string_equal(state_store_status(), "stored");
    fake_disk_power_cut(fake);
    start();
    assert_true(state_get(state_store(), "a", &value) && state_get(state_store(), "b", &value));
    fake->fail_sector = FIRST + STATE_FIRST_BANK / 512;
    for (uint32_t i = 0; i < 3; i++) /* it does not matter which bank is next */
        assert_true(state_store_commit());
    fake_disk_run_all(fake);
    assert_string_equal(state_store_status(), "stored");
    fake->disk.read_only = true;
    assert_true(state_store_commit());
    assert_string_equal(state_store_status(), "not stored: the disk is read-only");
}

static void wish(const char *command, const char *arguments)
{
    memset(record(0), 0, 832);
    memcpy(record(0), command, strlen(command));
    memcpy(record(64), arguments, strlen(arguments));
    memcpy(fake->stable, fake->cached, SECTORS * 512);
}

static void set_two(void)
{
    assert_int_equal(state_set(state_store(), "a", 0, "1", 1), STATE_SET);
    assert_int_equal(state_set(state_store(), "rollback", STATE_KEPT, "2", 1), STATE_SET);
    assert_true(state_store_commit());
    fake_disk_run_all(fake);
}

/* A boot loader's word. The power goes after every request: the reset is done, then or at the next start. */
static void test_factory_reset(void **state)
{
    struct state_value value;
    struct slots slots;
    uint64_t submitted;

    (void)state;
    fake_disk_write_gpt(fake, partitions, 2);
    write_records(first_image());
    start();
    set_two();
    wish("boot-recovery", "recovery\n--wipe_date\n");
    start();
    assert_true(state_get(state_store(), "a", &value));
    wish("boot-fastboot", "recovery\n--wipe_data\n");
    start();
    assert_true(state_get(state_store(), "a", &value));
    wish("boot-recovery", "recovery\n--wipe_data\n");
    submitted = fake->submitted;
    start();
    submitted = fake->submitted - submitted;
    for (uint64_t requests = 0; requests < submitted; requests++) {
        set_two();
        wish("boot-recovery", "recovery\n--wipe_data\n");
        state_partition_start();
        for (uint64_t i = 0; i < requests; i++)
            fake_disk_complete(fake, 0);
        fake_disk_power_cut(fake);
        start();
        assert_false(state_get(state_store(), "a", &value));
        assert_true(state_get(state_store(), "rollback", &value));
        fake_disk_power_cut(fake);
        logged[0] = 0;
        start();
        assert_null(strstr(logged, "factory reset"));
        assert_true(slots_get(&slots) && slots_next(&slots) == 0);
    }
}

/* Somebody wants to write the record, which lies beside the loader's word, at each moment of the reset. */
static void test_slots_during_a_factory_reset(void **state)
{
    struct state_value value;
    struct slots slots, found;
    uint32_t refused = 0, taken = 0;

    (void)state;
    fake_disk_write_gpt(fake, partitions, 2);
    for (uint32_t requests = 4; requests < 40; requests++) {
        write_records(first_image());
        start();
        set_two();
        wish("boot-recovery", "recovery\n--wipe_data\n");
        state_partition_start();
        for (uint32_t i = 0; i < requests && fake->count > 0; i++)
            fake_disk_complete(fake, 0);
        if (slots_get(&slots) && state_store() != NULL) {
            slots_trial(&slots, 1);
            puts_done = 0;
            refused += !slots_put(&slots, put_done);
            fake_disk_run_all(fake);
            taken += puts_done == 1;
            assert_true(slots_parse(record(SLOTS_OFFSET), &found) && slots_next(&found) == (puts_done == 1));
        }
        fake_disk_run_all(fake);
        assert_int_equal(*record(0), 0);
        assert_false(state_get(state_store(), "a", &value));
    }
    assert_true(refused > 0 && taken > 0);
}

static void test_slots(void **state)
{
    struct slots slots, found;

    (void)state;
    fake_disk_write_gpt(fake, partitions, 2);
    write_records(first_image());
    *record(SLOTS_OFFSET - 1) = *record(SLOTS_OFFSET + 32) = 0x77; /* neighbours */
    start();
    assert_string_equal(logged, "");
    assert_true(slots_get(&slots));
    assert_int_equal(slots_next(&slots), 0);
    slots_trial(&slots, 1);
    assert_true(slots_put(&slots, put_done));
    assert_false(slots_put(&slots, put_done));
    fake_disk_run_all(fake);
    assert_int_equal(puts_done, 1);
    fake_disk_power_cut(fake);
    assert_true(slots_parse(record(SLOTS_OFFSET), &found) && slots_next(&found) == 1);
    assert_true(slots_parse(record(SLOTS_BACKUP_OFFSET), &found) && slots_next(&found) == 1);
    assert_int_equal(*record(SLOTS_OFFSET - 1) + *record(SLOTS_OFFSET + 32), 0x77 + 0x77);
    fake->next_result = DISK_IO_ERROR;
    assert_true(slots_put(&slots, put_done));
    fake_disk_run_all(fake);
    assert_int_equal(puts_done, -1);
    assert_non_null(strstr(logged, "the slot record cannot be written"));
}

/* The power goes after every request, and the sector under way may be torn: one of the two is whole. */
static void test_slots_and_power_cuts(void **state)
{
    (void)state;
    fake_disk_write_gpt(fake, partitions, 2);
    for (uint32_t requests = 0; requests <= 4; requests++) {
        for (uint32_t torn = 0; torn < 2; torn++) {
            struct slots slots;

            write_records(first_image());
            start();
            assert_true(slots_get(&slots));
            slots_trial(&slots, 1);
            assert_true(slots_put(&slots, put_done));
            for (uint32_t i = 0; i < requests; i++)
                fake_disk_complete(fake, 0);
            if (torn && fake->count > 0 && fake->waiting[0]->operation == DISK_WRITE)
                memset(fake->stable + fake->waiting[0]->sector * 512, 0xdb, 20);
            fake_disk_power_cut(fake);
            start();
            assert_true(slots_get(&slots));
            assert_int_equal(slots_next(&slots), requests >= 2);
        }
    }
}

static void test_blocks_of_4096(void **state)
{
    static const struct fake_partition large[] = {{"state", 125, 249}};
    struct slots slots;

    (void)state;
    fake->disk.block_size = 4096;
    fake_disk_write_gpt(fake, large, 1);
    write_records(first_image());
    start();
    assert_true(slots_get(&slots));
    slots_trial(&slots, 1);
    assert_true(slots_put(&slots, put_done));
    fake_disk_run_all(fake);
    assert_int_equal(puts_done, 1);
    assert_true(slots_parse(record(SLOTS_OFFSET), &slots) && slots_next(&slots) == 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_none),
        TEST(test_on_the_second_disk),
        TEST(test_too_small),
        TEST(test_values_outlive_a_start),
        TEST(test_slots),
        TEST(test_factory_reset),
        TEST(test_slots_during_a_factory_reset),
        TEST(test_slots_and_power_cuts),
        TEST(test_blocks_of_4096),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
