// SPDX-License-Identifier: Apache-2.0
/* Power cuts at every request of an update, of the boots that follow it, and of a mark on a refused slot. */
#include "two_slots.h"

/* What of the writes that no flush has covered is on the disk after a power cut. */
enum cut { CUT_NONE, CUT_ALL, CUT_RANDOM, CUT_RANDOM_TOO, CUT_TORN, CUTS };

static void cut_power(enum cut cut)
{
    const struct disk_request *last = fake->count > 0 ? fake->waiting[0] : NULL;

    if (last != NULL && last->operation == DISK_WRITE && cut != CUT_NONE) {
        uint64_t sectors = cut == CUT_ALL ? last->sectors : (uint64_t)rand() % (last->sectors + 1);

        memcpy(fake->cached + last->sector * 512, last->segment[0].base, sectors * 512);
        if (cut == CUT_TORN && sectors < last->sectors)
            for (uint32_t i = 0; i < 512; i++)
                fake->cached[(last->sector + sectors) * 512 + i] = (uint8_t)rand();
    }
    for (uint64_t sector = 0; sector < SECTORS; sector++)
        if (cut == CUT_ALL || cut == CUT_TORN || (cut != CUT_NONE && rand() % 2))
            memcpy(fake->stable + sector * 512, fake->cached + sector * 512, 512);
    fake_disk_power_cut(fake);
}

static uint32_t cuts, old_boots, new_boots;

/* A start, and all that follows it. NULL: the power went before there was anything to start. */
static const struct file *start_what_boots(uint32_t *taken)
{
    const struct file *running = boot(taken);

    if (running != NULL) {
        start(running, true);
        settle_down();
    }
    return running;
}

/* Boots until nothing changes any more; `second_budget`: the first of these boots is cut off as well. */
static void boots_for_good(uint64_t second_budget, enum cut cut)
{
    const struct file *running;
    uint32_t taken;

    power();
    budget = second_budget;
    start_what_boots(&taken);
    if (off) {
        cuts++;
        cut_power(cut);
    }
    for (uint32_t i = 0; i < 2; i++) {
        power();
        running = start_what_boots(&taken);
        assert_non_null(running);
        assert_false(rebooted);
        assert_int_equal(update_running(), taken);
        fake_disk_power_cut(fake);
    }
    assert_true(record().slot[taken].successful && record().slot[taken].tries == 7);
    *(running == &second ? &new_boots : &old_boots) += 1;
}

/* Everything from the update's first request to the confirmation, cut off after `requests` of them. True: it was. */
static bool cut_after(uint64_t requests, enum cut cut, uint64_t second_budget)
{
    uint32_t taken;

    new_disk(SLOT_SECTORS);
    power();
    start(&first, true);
    settle_down();
    budget = requests;
    if (send(&second, second.size) != NULL) {
        fake_disk_power_cut(fake); /* the reboot: all that counts was flushed */
        start_what_boots(&taken);
    }
    if (off) {
        cuts++;
        cut_power(cut);
        boots_for_good(second_budget, cut);
        return true;
    }
    return false;
}

/* The power goes while a refused slot is noted: it is or it is not, and the other slot keeps its place. */
static void test_power_cuts_while_it_is_marked(void **test)
{
    uint32_t marked = 0, unmarked = 0;

    (void)test;
    srand(2);
    for (enum cut cut = CUT_NONE; cut < CUTS; cut++)
        for (uint64_t requests = 0;; requests++) {
            struct slots slots;
            uint8_t *front;

            new_disk(SLOT_SECTORS);
            power();
            slot_of(fake->cached, 0)[50000] ^= 1;
            memcpy(fake->stable, fake->cached, SECTORS * 512);
            start(&first, true);
            page.boot_slot = 'b';
            page.domain[0].starts = 1;
            budget = requests;
            settle_down();
            if (!off)
                break;
            cut_power(cut);
            front = fake->cached + STATE_AT * 512;
            assert_true(slots_read(front + SLOTS_OFFSET, front + SLOTS_BACKUP_OFFSET, &slots));
            assert_true(slots.slot[1].successful && slots.slot[1].tries == 7 && !slots.slot[1].corrupted);
            *(slots.slot[0].corrupted ? &marked : &unmarked) += 1;
            power();
            start_gone_by(1);
            slots = record();
            assert_true(slots.slot[0].corrupted && slots_next(&slots) == 1);
        }
    assert_true(marked > 20 && unmarked > 20);
}

static void test_power_cuts(void **test)
{
    (void)test;
    srand(1);
    cuts = old_boots = new_boots = 0;
    for (enum cut cut = CUT_NONE; cut < CUTS; cut++)
        for (uint64_t requests = 0; cut_after(requests, cut, UINT64_MAX); requests++)
            cut_after(requests, cut, (uint64_t)rand() % 40);
    print_message("%u power cuts: %u ended with the old version, %u with the new\n", cuts, old_boots, new_boots);
    assert_true(cuts > 600 && old_boots > 100 && new_boots > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_power_cuts_while_it_is_marked),
        TEST(test_power_cuts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
