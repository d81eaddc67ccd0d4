// SPDX-License-Identifier: Apache-2.0
/* Updates and their trials (issue 5, point 5): what is refused, and power cuts at every request of an update and of the
 * boots that follow it. */
#include "fake_disk.h"
#include <bulkhead/management.h>
#include <bulkhead/partition.h>
#include <lib/hypercall.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/loop.h>
#include <mgmt/module.h>
#include <mgmt/platform.h>
#include <mgmt/session.h>
#include <mgmt/trial.h>
#include <mgmt/worker.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage/state_partition.h>
#include <storage/update.h>
#include <string.h>

#include "test_key.c"
// clang-format off
#include <cmocka.h>
// clang-format on

#define SLOT_SECTORS 264u /* 128 KiB and the manifest's */
#define A 100u
#define B (A + 300u)
#define STATE_AT 1000u
#define SECTORS 2048u

extern const struct module module_state_partition, module_update, module_trial;
static struct fake_disk *fake;
static char logged[8192];
static struct status_page page;
static uint64_t now;
static struct work *working;
static struct loop_timer *armed[4];
static bool rebooted;

const struct partition_config partitions[] = {{.name = "mgmt", .flags = PARTITION_AUTOSTART},
                                              {.name = "linux1", .flags = PARTITION_AUTOSTART}};
const uint32_t partition_count = 2;
const struct policy_config policies[] = {{.critical = true}, {.critical = true}};
const char board_name[] = "test board";
const uint32_t trial_s = 60, trial_settle_s = 5;

void bulkhead_log(const char *format, ...)
{
    size_t length = strlen(logged);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(logged + length, sizeof(logged) - length, format, arguments);
    va_end(arguments);
    if (strlen(logged) > sizeof(logged) / 2)
        logged[0] = 0;
}
void session_notice_all(const char *text)
{
    (void)text;
}
const struct status_page *platform_status(void)
{
    return &page;
}
uint64_t time_ns(void)
{
    return now;
}
int64_t hypercall_system(bool power_off, enum stop_cause cause)
{
    assert_true(!power_off && cause == CAUSE_POLICY);
    rebooted = true;
    return HC_OK;
}
void worker_submit(struct work *work)
{
    assert_null(working);
    working = work;
}
void loop_timer_set(struct loop_timer *wanted, uint64_t after_ns)
{
    for (size_t i = 0; i < sizeof armed / sizeof armed[0]; i++)
        if (armed[i] == NULL || armed[i] == wanted) {
            wanted->deadline_ns = now + after_ns;
            armed[i] = wanted;
            return;
        }
    abort();
}

/* A life that a power cut ends leaves what it allocated. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

/* Files */

struct file {
    uint8_t *data;
    size_t size;
};

static struct file load(const char *name)
{
    char path[4096];
    FILE *stream;
    struct file file = {malloc(1 << 18), 0};

    snprintf(path, sizeof(path), "%s%s.update", UPDATES, name);
    stream = fopen(path, "rb");
    assert_non_null(stream);
    file.size = fread(file.data, 1, 1 << 18, stream);
    fclose(stream);
    return file;
}
static struct file first, second;

/* The machine */

static uint8_t *slot_of(uint8_t *disk, uint32_t index)
{
    return disk + (index == 0 ? A : B) * 512;
}

static void fill_slot(uint32_t index, const struct file *file)
{
    memcpy(slot_of(fake->cached, index), file->data + MANIFEST_BYTES, file->size - MANIFEST_BYTES);
    memcpy(slot_of(fake->cached, index) + SLOT_SECTORS * 512 - SLOT_MANIFEST_BYTES, file->data, MANIFEST_BYTES);
}

static bool slot_has(uint32_t index, const struct file *file)
{
    return memcmp(slot_of(fake->stable, index), file->data + MANIFEST_BYTES, file->size - MANIFEST_BYTES) == 0;
}

static void new_disk(uint32_t sectors_of_b)
{
    const struct fake_partition map[] = {
        {"boot-a", A, A + SLOT_SECTORS - 1}, {"boot-b", B, B + sectors_of_b - 1}, {"state", STATE_AT, 1999}};
    struct slots slots = {.last = -1};

    fake_disk_free_all();
    fake = fake_disk_make(0, SECTORS);
    fake->disk.max_transfer = 8192;
    fake_disk_write_gpt(fake, map, 3);
    fill_slot(0, &first);
    fill_slot(1, &first);
    slots_confirm(&slots, 1);
    slots_confirm(&slots, 0);
    slots_write(&slots, fake->cached + STATE_AT * 512 + SLOTS_OFFSET);
    slots_write(&slots, fake->cached + STATE_AT * 512 + SLOTS_BACKUP_OFFSET);
    memcpy(fake->stable, fake->cached, SECTORS * 512);
}

static uint64_t budget; /* requests until the power goes */
static bool off;

/* One thing happens. False: nothing is under way. */
static bool turn(void)
{
    struct work *work = working;
    uint32_t next = 0;

    if (off)
        return false;
    if (work != NULL) {
        working = NULL;
        work->run(work);
        work->done(work);
        return true;
    }
    if (fake->count > 0) {
        off = budget == 0;
        if (off)
            return false;
        budget--;
        fake_disk_complete(fake, 0);
        return true;
    }
    for (uint32_t i = 1; i < 4; i++)
        if (armed[i] != NULL && (armed[next] == NULL || armed[i]->deadline_ns < armed[next]->deadline_ns))
            next = i;
    if (armed[next] == NULL)
        return false;
    struct loop_timer *due = armed[next];

    armed[next] = NULL;
    now = due->deadline_ns > now ? due->deadline_ns : now;
    due->run(due);
    return true;
}

static void settle_down(void)
{
    while (!rebooted && turn())
        ;
}

/* The management domain begins, with nothing but what the disk has. */
static void start(const struct file *running, bool healthy)
{
    struct manifest from;

    assert_true(manifest_parse(running->data, &from));
    memset(&page, 0, sizeof page);
    page.partitions = 2;
    page.bundle_version = from.version;
    memcpy(page.kernel_version, from.release, sizeof page.kernel_version - 1);
    page.domain[0].state = DOMAIN_RUNNING;
    page.domain[1].state = healthy ? DOMAIN_RUNNING : DOMAIN_CRASHED;
    now = 1000000000000ull; /* it may have begun long ago */
    page.first_guest_ns = now - 1;
    page.domain[0].started_ns = page.domain[1].started_ns = now;
    working = NULL;
    memset(armed, 0, sizeof armed);
    rebooted = false;
    logged[0] = 0;
    module_state_partition.start();
    module_update.start();
    module_trial.start();
}

static void power(void)
{
    off = rebooted = false;
    budget = UINT64_MAX;
}

/* What the loader does (boot/efi/loader.c): the record first, then the slot; one that is damaged is left. Its writes
 * may be cut off as well. Returns what runs, NULL: the power went. */
static const struct file *boot(uint32_t *taken)
{
    uint8_t *record = fake->cached + STATE_AT * 512;
    struct slots slots;
    int next;

    assert_true(slots_read(record + SLOTS_OFFSET, record + SLOTS_BACKUP_OFFSET, &slots));
    next = slots_boot(&slots);
    assert_true(next >= 0);
    *taken = (uint32_t)next;
    for (uint32_t i = 0; i < 2; i++) {
        if (budget == 0) {
            off = true;
            return NULL;
        }
        budget--;
        slots_write(&slots, record + (i == 0 ? SLOTS_OFFSET : SLOTS_BACKUP_OFFSET));
        memcpy(fake->stable, fake->cached, SECTORS * 512);
    }
    if (slot_has(*taken, &first))
        return &first;
    assert_true(slot_has(*taken, &second)); /* never one that is half written */
    return &second;
}

static const char *ended;
static void on_change(void *of)
{
    (void)of;
    ended = update_status()->phase == UPDATE_DONE     ? ""
            : update_status()->phase == UPDATE_FAILED ? update_status()->problem
                                                      : NULL;
}

/* NULL: the power went. "": installed. Or why not. */
static const char *send(const struct file *file, size_t bytes)
{
    const char *problem = update_begin(on_change, NULL);
    size_t sent = 0, piece;

    if (problem != NULL)
        return problem;
    ended = NULL;
    while (ended == NULL && !off) {
        piece = bytes - sent < 3000 ? bytes - sent : 3000;
        piece = update_receive(file->data + sent, piece);
        sent += piece;
        if (sent == bytes && bytes < file->size && ended == NULL)
            update_abandon("the connection was lost");
        if (piece == 0 && ended == NULL)
            turn();
    }
    return ended;
}

static int setup(void **test)
{
    (void)test;
    if (first.data == NULL) {
        first = load("first");
        second = load("second");
    }
    new_disk(SLOT_SECTORS);
    power();
    start(&first, true);
    settle_down();
    return 0;
}

static int teardown(void **test)
{
    (void)test;
    fake_disk_free_all();
    return 0;
}

static struct slots record(void)
{
    struct slots slots;

    assert_true(slots_get(&slots));
    return slots;
}

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

static void test_a_trial_that_is_not_healthy(void **test)
{
    struct slots slots;
    uint32_t taken;

    (void)test;
    assert_string_equal(send(&second, second.size), "");
    assert_ptr_equal(boot(&taken), &second);
    start(&second, false);
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

/* Slot A is damaged, which the loader found out too late to note: what it told the kernel counts, and what runs stays. */
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

static void test_an_operator_confirms(void **test)
{
    uint32_t taken;

    (void)test;
    assert_false(trial_confirm());
    assert_string_equal(send(&second, second.size), "");
    boot(&taken);
    start(&second, false);
    while (trial_state() != TRIAL_ON)
        turn();
    assert_string_equal(update_begin(on_change, NULL),
                        "what runs is on trial: 'update confirm' or 'update rollback' first");
    assert_true(trial_confirm());
    settle_down();
    assert_true(trial_state() == TRIAL_CONFIRMED && !rebooted);
}

static void was_written(bool success)
{
    assert_true(success);
}

/* 'update rollback' out of a trial that is healthy a moment later, and a management domain that dies before the reboot.
 */
static void test_what_is_rolled_back_is_not_confirmed(void **test)
{
    struct slots slots;
    uint32_t taken;

    (void)test;
    assert_string_equal(send(&second, second.size), "");
    assert_ptr_equal(boot(&taken), &second);
    start(&second, true);
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
    assert_non_null(strstr(logged, "DANGER: slot b: not healthy after 60 s, linux1 does not run; but there is no other"));
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

static void test_a_version_that_is_too_old_goes_back(void **test)
{
    uint32_t taken;

    (void)test;
    assert_string_equal(send(&second, second.size), "");
    boot(&taken);
    start(&second, true);
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
    assert_string_equal(send(&second, second.size), "");
    boot(&taken);
    start(&second, true);
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

/* Boots until nothing changes any more; `second_budget`: the first of these boots is cut off as well. */
static void boots_for_good(uint64_t second_budget, enum cut cut)
{
    const struct file *running;
    uint32_t taken;

    power();
    budget = second_budget;
    running = boot(&taken);
    if (running != NULL) {
        start(running, true);
        settle_down();
    }
    if (off) {
        cuts++;
        cut_power(cut);
    }
    for (uint32_t i = 0; i < 2; i++) {
        power();
        running = boot(&taken);
        start(running, true);
        settle_down();
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
    const struct file *running;
    uint32_t taken;

    new_disk(SLOT_SECTORS);
    power();
    start(&first, true);
    settle_down();
    budget = requests;
    if (send(&second, second.size) != NULL) {
        fake_disk_power_cut(fake); /* the reboot: all that counts was flushed */
        running = boot(&taken);
        if (running != NULL) {
            start(running, true);
            settle_down();
        }
    }
    if (off) {
        cuts++;
        cut_power(cut);
        boots_for_good(second_budget, cut);
        return true;
    }
    return false;
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_update),
        TEST(test_a_trial_that_is_not_healthy),
        TEST(test_the_loader_tells),
        TEST(test_an_operator_confirms),
        TEST(test_what_is_rolled_back_is_not_confirmed),
        TEST(test_nowhere_to_go_back_to),
        TEST(test_a_last_resort_is_tried),
        TEST(test_what_is_refused),
        TEST(test_a_slot_without_room),
        TEST(test_another_program_signs),
        TEST(test_a_damaged_slot_is_not_kept),
        TEST(test_nothing_is_whole),
        TEST(test_a_lost_record_is_made_anew),
        TEST(test_a_version_that_is_too_old_goes_back),
        TEST(test_a_trial_that_is_too_old),
        TEST(test_what_is_kept_boots),
        TEST(test_power_cuts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
