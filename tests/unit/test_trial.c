// SPDX-License-Identifier: Apache-2.0
/* What follows a start (mgmt/trial.h): trials and their end, an operator's word, slots that the loader refused. */
#include "two_slots.h"

/* The second version is installed, and its first start begins. */
static void start_trial(bool healthy)
{
    uint32_t taken;

    assert_string_equal(send(&second, second.size), "");
    assert_ptr_equal(boot(&taken), &second);
    start(&second, healthy);
}

static void test_a_trial_that_is_not_healthy(void **test)
{
    struct slots slots;
    uint32_t taken;

    (void)test;
    start_trial(false);
    settle_down();
    assert_true(rebooted && trial_state() == TRIAL_OVER && now > 1060000000000ull);
    assert_non_null(strstr(
        logged, "slot b is given up: not healthy after 60 s, linux1 does not run. The appliance restarts with slot a"));
    fake_disk_power_cut(fake);
    power();
    assert_ptr_equal(boot(&taken), &first);
    start(&first, true);
    settle_down();
    assert_true(trial_state() == TRIAL_NONE && update_running() == 0 && update_version_minimum() == 4);
    slots = record();
    assert_true(slots.slot[0].tries == 7 && slots.slot[1].tries == 0);
    assert_string_equal(send(&second, second.size), ""); /* and once more */
}

/* Slot A is damaged, which the loader found out too late to note: what it told the kernel counts, and what runs stays.
 */
static void test_the_loader_tells(void **test)
{
    uint32_t taken;

    (void)test;
    slot_of(fake->cached, 0)[600] ^= 1;
    memcpy(fake->stable, fake->cached, SECTORS * 512);
    start(&first, true);
    page.boot_slot = 'b';
    settle_down();
    assert_true(record().last <= 0 && update_running() == 1 && trial_state() == TRIAL_NONE);
    assert_string_equal(send(&second, second.size), "");
    assert_true(slot_has(0, &second) && slot_has(1, &first));
    fake_disk_power_cut(fake);
    assert_ptr_equal(boot(&taken), &second);
    assert_int_equal(taken, 0);
    start(&second, true);
    page.boot_slot = 'c'; /* never told by ours: the record counts */
    settle_down();
    assert_int_equal(update_running(), 0);
}

/* It is marked, and the reason found on the disk; until an update fills it. */
static void test_a_refused_slot_is_marked(void **test)
{
    struct slots slots;
    uint32_t taken;

    (void)test;
    slot_of(fake->cached, 0)[50000] ^= 1;
    memcpy(fake->stable, fake->cached, SECTORS * 512);
    start_gone_by(1);
    assert_string_equal(trial_refused(0), "its bytes are not what was installed");
    assert_null(trial_refused(1));
    assert_non_null(strstr(logged, "slot a was refused at this start: its bytes are not what was installed. It does "
                                   "not boot until it is updated"));
    fake_disk_power_cut(fake);
    assert_ptr_equal(boot(&taken), &first);
    assert_int_equal(taken, 1);
    start_gone_by(1); /* nothing is left to be told */
    slots = record();
    assert_true(slots.slot[0].corrupted && slots.slot[1].successful && slots.slot[1].tries == 7);
    assert_null(trial_refused(0));
    assert_string_equal(send(&second, second.size), "");
    fake_disk_power_cut(fake);
    assert_ptr_equal(boot(&taken), &second);
    assert_int_equal(taken, 0);
    slots = record();
    assert_false(slots.slot[0].corrupted);
}

static void test_why_a_slot_was_refused(void **test)
{
    struct slots slots;

    (void)test;
    start_gone_by(2); /* the domain's second start: an operator may have made slot A next */
    slots = record();
    assert_true(!slots.slot[0].corrupted && trial_refused(0) == NULL);
    start_gone_by(1);
    slots = record();
    assert_true(slots.slot[0].corrupted);
    assert_string_equal(trial_refused(0), "its bytes are what was installed: the loader's console has the reason");
    new_disk(SLOT_SECTORS);
    fake->fail_sector = A + 100;
    start_gone_by(1);
    assert_string_equal(trial_refused(0), "the disk cannot read it");
    new_disk(SLOT_SECTORS);
    slot_of(fake->cached, 0)[(SLOT_SECTORS - 8) * 512] ^= 1;
    start_gone_by(1);
    assert_string_equal(trial_refused(0), "its manifest is damaged, or it has none");
    new_disk(SLOT_SECTORS);
    fake->disk.read_only = true;
    start_gone_by(1);
    assert_null(trial_refused(0));
    assert_non_null(strstr(logged, "slot a was refused at this start, which cannot be noted"));
    new_disk(SLOT_SECTORS);
    start(&first, true);
    page.domain[0].starts = 1; /* a loader that does not tell what it starts: nobody knows */
    settle_down();
    slots = record();
    assert_false(slots.slot[0].corrupted);
}

static void test_an_operator_confirms(void **test)
{
    (void)test;
    assert_false(trial_confirm());
    start_trial(false);
    while (trial_state() != TRIAL_ON)
        turn();
    assert_string_equal(update_begin(on_change, NULL),
                        "what runs is on trial: 'update confirm' or 'update rollback' first");
    assert_true(trial_confirm());
    settle_down();
    assert_true(trial_state() == TRIAL_CONFIRMED && !rebooted);
}

/* 'update rollback' out of a trial that is healthy a moment later, and a management domain that dies before the reboot.
 */
static void test_what_is_rolled_back_is_not_confirmed(void **test)
{
    struct slots slots;
    uint32_t taken;

    (void)test;
    start_trial(true);
    while (trial_state() != TRIAL_ON)
        turn();
    slots = record();
    slots_close(&slots, 1);
    assert_true(slots_put(&slots, was_written));
    settle_down();
    assert_true(trial_state() == TRIAL_OVER && !rebooted);
    start(&second, true);
    settle_down();
    slots = record();
    assert_true(trial_state() == TRIAL_OVER && slots_next(&slots) == 0 && !slots.slot[1].successful);
    fake_disk_power_cut(fake);
    assert_ptr_equal(boot(&taken), &first);
}

/* A trial that has failed, and nowhere to go back to: an operator keeps it, to install something better. */
static void test_nowhere_to_go_back_to(void **test)
{
    struct slots slots;
    uint32_t taken;

    (void)test;
    assert_string_equal(send(&second, second.size), "");
    slots = record();
    slots_close(&slots, 0);
    assert_true(slots_put(&slots, was_written));
    settle_down();
    assert_ptr_equal(boot(&taken), &second);
    start(&second, false);
    settle_down();
    assert_true(trial_state() == TRIAL_OVER && !rebooted);
    assert_non_null(
        strstr(logged, "DANGER: slot b: not healthy after 60 s, linux1 does not run; but there is no other"));
    assert_non_null(update_begin(on_change, NULL));
    assert_true(trial_confirm());
    settle_down();
    assert_int_equal(trial_state(), TRIAL_CONFIRMED);
    assert_string_equal(send(&second, second.size), "");
    assert_true(slot_has(0, &second) && record().slot[1].successful);
}

/* A closed slot that runs because the one that the record chose is damaged: it is kept when it is healthy. */
static void test_a_last_resort_is_tried(void **test)
{
    struct slots slots = record();

    (void)test;
    slots_close(&slots, 1);
    slots.last = 0;
    assert_true(slots_put(&slots, was_written));
    settle_down();
    start(&first, true);
    page.boot_slot = 'b';
    settle_down();
    slots = record();
    assert_true(trial_state() == TRIAL_CONFIRMED && slots.slot[1].successful && slots_next(&slots) == 1);
}

static void test_a_version_that_is_too_old_goes_back(void **test)
{
    (void)test;
    start_trial(true);
    settle_down();
    assert_int_equal(update_version_minimum(), 5);
    start(&first, true); /* slot B as the record says; but what runs is A's */
    settle_down();
    assert_true(rebooted);
    assert_non_null(strstr(logged, "slot a is given up: its version 4 is too old"));
}

/* Somebody writes an old slot, which was signed once, and has it tried: it is not kept, however healthy it is. */
static void test_a_trial_that_is_too_old(void **test)
{
    struct slots slots;
    uint32_t taken;

    (void)test;
    start_trial(true);
    settle_down();
    slots = record();
    slots_trial(&slots, 0);
    assert_true(slots_put(&slots, was_written));
    settle_down();
    assert_ptr_equal(boot(&taken), &first);
    start(&first, true);
    settle_down();
    assert_true(rebooted);
    fake_disk_power_cut(fake);
    power();
    assert_ptr_equal(boot(&taken), &second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_trial_that_is_not_healthy),
        TEST(test_the_loader_tells),
        TEST(test_a_refused_slot_is_marked),
        TEST(test_why_a_slot_was_refused),
        TEST(test_an_operator_confirms),
        TEST(test_what_is_rolled_back_is_not_confirmed),
        TEST(test_nowhere_to_go_back_to),
        TEST(test_a_last_resort_is_tried),
        TEST(test_a_version_that_is_too_old_goes_back),
        TEST(test_a_trial_that_is_too_old),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
