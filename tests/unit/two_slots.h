/* SPDX-License-Identifier: Apache-2.0 */
/* An appliance with two boot slots: its disk, its management domain's updates and trials, the loader's choice, power
 * that goes. For the tests of these; each has a program of its own. */
#ifndef TESTS_UNIT_TWO_SLOTS_H
#define TESTS_UNIT_TWO_SLOTS_H

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

/* A boot of slot B, after the loader could not start slot A. */
static void start_gone_by(uint64_t starts)
{
    start(&first, true);
    page.boot_slot = 'b';
    page.domain[0].starts = starts;
    settle_down();
    assert_true(update_running() == 1 && trial_state() == TRIAL_NONE && !update_busy());
}

static void was_written(bool success)
{
    assert_true(success);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
