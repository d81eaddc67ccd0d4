// SPDX-License-Identifier: Apache-2.0
/* The state store: values, and that power cut at any sector leaves the old values or the new (issue 5, point 7). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage/state.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define SECTOR 512u
#define FIRST 8u /* the partition's sector: a neighbour lies before and behind */
#define SECTORS (STATE_PARTITION_MIN / SECTOR)
#define DISK_SECTORS (FIRST + SECTORS + 8)

/* A disk that forgets, when the power goes, any of the sectors written since the last flush, and may tear one. */
static struct {
    struct disk disk;
    uint8_t now[DISK_SECTORS * SECTOR], stable[DISK_SECTORS * SECTOR];
    uint32_t unflushed[4096], count; /* sectors, in the order written */
    uint64_t writes, cut_after;      /* the power goes when so many sectors are written */
    bool off;
    struct disk_request *waiting;
    uint64_t fail_first, fail_last; /* sectors whose transfer fails; none: fail_first > fail_last */
    bool fail_writes_only;
    uint32_t flushes, fail_flush; /* every so many, after it flushed; 0: none */
} fake;

static struct state store;
static enum state_result result;
static uint32_t done_calls;

static void submit(struct disk *disk, struct disk_request *request)
{
    (void)disk;
    assert_null(fake.waiting);
    fake.waiting = request;
}

static bool fails(const struct disk_request *request)
{
    return request->operation != DISK_FLUSH && fake.fail_first <= fake.fail_last &&
           !(fake.fail_writes_only && request->operation == DISK_READ) && request->sector <= fake.fail_last &&
           fake.fail_first < request->sector + request->sectors;
}

static void write_sector(uint64_t sector, const uint8_t *data)
{
    if (fake.off || fake.writes == fake.cut_after) {
        fake.off = true;
        return;
    }
    fake.writes++;
    assert_in_range(sector, FIRST, FIRST + SECTORS - 1);
    memcpy(fake.now + sector * SECTOR, data, SECTOR);
    assert_in_range(fake.count, 0, 4095);
    fake.unflushed[fake.count++] = (uint32_t)sector;
}

static void carry_out(const struct disk_request *request)
{
    if (request->operation == DISK_FLUSH) {
        assert_true(fake.disk.has_flush);
        memcpy(fake.stable, fake.now, sizeof(fake.now));
        fake.count = 0;
        return;
    }
    assert_int_equal(request->segments, 1);
    assert_int_equal(request->segment->length, request->sectors * SECTOR);
    assert_in_range(request->segment->length, 1, fake.disk.max_transfer);
    assert_int_equal(request->sector * SECTOR % fake.disk.block_size, 0);
    assert_int_equal(request->sectors * SECTOR % fake.disk.block_size, 0);
    if (request->operation == DISK_READ)
        memcpy(request->segment->base, fake.now + request->sector * SECTOR, request->segment->length);
    else
        for (uint64_t i = 0; i < request->sectors; i++)
            write_sector(request->sector + i, (const uint8_t *)request->segment->base + i * SECTOR);
    if (!fake.disk.has_flush) {
        memcpy(fake.stable, fake.now, sizeof(fake.now));
        fake.count = 0;
    }
}

static void run(void)
{
    while (fake.waiting != NULL && !fake.off) {
        struct disk_request *request = fake.waiting;
        bool failed = fails(request);

        fake.waiting = NULL;
        if (!failed)
            carry_out(request);
        if (request->operation == DISK_FLUSH && fake.fail_flush != 0)
            failed = ++fake.flushes % fake.fail_flush == 0;
        if (!fake.off)
            request->done(request, failed ? DISK_IO_ERROR : DISK_OK);
    }
}

/* What of the unflushed sectors is there after a cut. */
enum cut { CUT_NONE, CUT_ALL, CUT_SOME, CUT_TORN, CUTS };

static void power_back(enum cut cut)
{
    if (cut != CUT_ALL) {
        static uint8_t written[sizeof(fake.now)];

        memcpy(written, fake.now, sizeof(written));
        memcpy(fake.now, fake.stable, sizeof(fake.now));
        for (uint32_t i = 0; cut != CUT_NONE && i < fake.count; i++) {
            uint8_t *to = fake.now + (size_t)fake.unflushed[i] * SECTOR;

            if (i + 1 == fake.count && cut == CUT_TORN) {
                memcpy(to, written + (to - fake.now), 100);
                memset(to + 100, 0xdb, 60);
            } else if (cut == CUT_TORN || rand() % 2) {
                memcpy(to, written + (to - fake.now), SECTOR);
            }
        }
    }
    memcpy(fake.stable, fake.now, sizeof(fake.now));
    fake.count = 0;
    fake.writes = 0;
    fake.cut_after = UINT64_MAX;
    fake.off = false;
    fake.waiting = NULL;
}

static void done(struct state *state, enum state_result value)
{
    assert_ptr_equal(state, &store);
    result = value;
    done_calls++;
}

static enum state_result open_store(void)
{
    memset(&store, 0xa5, sizeof(store)); /* nothing of what was there counts */
    store.disk = &fake.disk;
    store.first = FIRST;
    store.sectors = SECTORS;
    store.done = done;
    done_calls = 0;
    state_open(&store);
    run();
    if (!fake.off)
        assert_int_equal(done_calls, 1);
    return result;
}

static enum state_result commit(void)
{
    done_calls = 0;
    assert_true(state_commit(&store));
    run();
    if (!fake.off)
        assert_int_equal(done_calls, 1);
    return result;
}

static void set(const char *name, const char *value)
{
    assert_int_equal(state_set(&store, name, 0, value, strlen(value)), STATE_SET);
}

static bool is(const char *name, const char *value)
{
    struct state_value found;

    return state_get(&store, name, &found) && found.length == strlen(value) &&
           memcmp(found.data, value, found.length) == 0;
}

static int setup(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake.disk = (struct disk){.name = "fake0",
                              .sectors = DISK_SECTORS,
                              .block_size = 512,
                              .segments_max = 1,
                              .max_transfer = 12800,
                              .has_flush = true,
                              .submit = submit};
    fake.cut_after = UINT64_MAX;
    fake.fail_first = 1;
    srand(7);
    return 0;
}

static void test_values(void **state)
{
    struct state_value value;

    (void)state;
    assert_int_equal(open_store(), STATE_NONE);
    assert_int_equal(store.damaged, 0);
    set("address", "10.0.0.1/24");
    set("name", "box");
    set("a", "");
    set("address", "192.168.100.200/24");
    assert_true(is("address", "192.168.100.200/24") && is("name", "box") && is("a", ""));
    assert_false(state_get(&store, "addres", &value) || state_get(&store, "address2", &value));
    assert_int_equal(commit(), STATE_OK);
    assert_int_equal(store.commits, 1);
    assert_int_equal(open_store(), STATE_OK);
    assert_int_equal(store.healed, 0);
    assert_true(is("address", "192.168.100.200/24") && is("name", "box") && is("a", ""));
    assert_true(state_remove(&store, "name"));
    assert_false(state_remove(&store, "name"));
    assert_int_equal(commit(), STATE_OK);
    assert_int_equal(open_store(), STATE_OK);
    assert_false(state_get(&store, "name", &value));
    assert_int_equal(store.sequence, 2);
}

static void test_bounds(void **state)
{
    static const char *const bad[] = {"", "A", "a b", "a/b", "a_b", "\x80", "abcdefghijklmnopqrstuvwxyz012345"};
    static uint8_t big[STATE_VALUE_MAX + 1];
    uint32_t before;

    (void)state;
    open_store();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(state_set(&store, bad[i], 0, "x", 1), STATE_SET_BAD_NAME);
    assert_int_equal(state_set(&store, "abcdefghijklmnopqrstuvwxyz01234", 0, "x", 1), STATE_SET);
    assert_int_equal(state_set(&store, "big", 0, big, sizeof(big)), STATE_SET_TOO_LONG);
    for (uint32_t i = 0; i < 3; i++) {
        char name[8];

        snprintf(name, sizeof(name), "big%u", (unsigned)i);
        assert_int_equal(state_set(&store, name, 0, big, STATE_VALUE_MAX), STATE_SET);
    }
    before = store.length;
    assert_int_equal(state_set(&store, "big3", 0, big, STATE_VALUE_MAX), STATE_SET_FULL);
    assert_int_equal(store.length, before);
    assert_int_equal(state_set(&store, "big2", 0, big, STATE_VALUE_MAX), STATE_SET); /* in place of itself */
    assert_int_equal(state_set(&store, "fill", 0, big, STATE_VALUES_BYTES - before - 8), STATE_SET);
    assert_int_equal(store.length, STATE_VALUES_BYTES);
    assert_int_equal(commit(), STATE_OK);
    assert_int_equal(open_store(), STATE_OK);
    assert_int_equal(store.length, STATE_VALUES_BYTES);
}

/* What a commit of these values stores, and after it those. */
static void generation(uint32_t n)
{
    char text[32];
    static uint8_t long_value[9000];

    snprintf(text, sizeof(text), "generation %u", (unsigned)n);
    set("text", text);
    memset(long_value, (int)n, sizeof(long_value));
    assert_int_equal(state_set(&store, "long", STATE_KEPT, long_value, n % 2 ? 9000 : 10), STATE_SET);
}

static bool is_generation(uint32_t n)
{
    char text[32];
    struct state_value value;

    snprintf(text, sizeof(text), "generation %u", (unsigned)n);
    return is("text", text) && state_get(&store, "long", &value) && value.length == (n % 2 ? 9000 : 10) &&
           value.data[0] == (uint8_t)n && value.data[value.length - 1] == (uint8_t)n;
}

static uint32_t cuts, kept_old, got_new;

/* From stable generation `n`: a commit of n + 1 is cut after every number of sectors, each in every way. */
static void cut_commit_everywhere(uint32_t n)
{
    static uint8_t before[sizeof(fake.now)];
    bool complete = false;

    memcpy(before, fake.now, sizeof(before));
    for (uint64_t after = 0; !complete; after++) {
        for (enum cut cut = CUT_NONE; cut < CUTS; cut++) {
            memcpy(fake.now, before, sizeof(before));
            power_back(CUT_ALL);
            assert_int_equal(open_store(), STATE_OK);
            assert_true(is_generation(n));
            fake.writes = 0;
            fake.cut_after = after;
            generation(n + 1);
            result = STATE_IO_ERROR;
            commit();
            complete = !fake.off;
            if (complete)
                assert_int_equal(result, STATE_OK);
            power_back(cut);
            assert_int_equal(open_store(), STATE_OK);
            assert_true(is_generation(n + 1) || (!complete && is_generation(n)));
            cuts++;
            is_generation(n) ? kept_old++ : got_new++;
            /* Whatever it was is what every start finds from now on. */
            bool newer = is_generation(n + 1);

            power_back(CUT_NONE);
            assert_int_equal(open_store(), STATE_OK);
            assert_int_equal(store.healed, 0);
            assert_true(is_generation(newer ? n + 1 : n));
        }
    }
}

static void test_power_cuts(void **state)
{
    (void)state;
    open_store();
    generation(0);
    commit();
    cuts = kept_old = got_new = 0;
    for (uint32_t n = 0; n < 3; n++)
        cut_commit_everywhere(n);
    print_message("%u power cuts: %u times the old values, %u times the new\n", cuts, kept_old, got_new);
    assert_true(cuts > 600 && kept_old > 100 && got_new > 100);
}

/* The power goes while a start repairs what an earlier cut left. */
static void test_power_cuts_while_healing(void **state)
{
    static uint8_t torn[sizeof(fake.now)];
    bool complete = false;

    (void)state;
    open_store();
    generation(0);
    commit();
    generation(1);
    fake.writes = 0;
    fake.cut_after = 30; /* one bank is new, the next is torn */
    commit();
    power_back(CUT_TORN);
    memcpy(torn, fake.now, sizeof(torn));
    for (uint64_t after = 0; !complete; after++) {
        for (enum cut cut = CUT_NONE; cut < CUTS; cut++) {
            memcpy(fake.now, torn, sizeof(torn));
            power_back(CUT_ALL);
            fake.cut_after = after;
            open_store();
            complete = !fake.off;
            power_back(cut);
            assert_int_equal(open_store(), STATE_OK);
            assert_true(is_generation(1));
        }
    }
}

static void test_no_flush_needed(void **state)
{
    (void)state;
    fake.disk.has_flush = false;
    test_power_cuts(state);
}

static void test_blocks_of_4096(void **state)
{
    (void)state;
    fake.disk.block_size = 4096;
    open_store();
    generation(1);
    assert_int_equal(commit(), STATE_OK);
    assert_int_equal(open_store(), STATE_OK);
    assert_true(is_generation(1));
}

static uint64_t bank_sector(uint32_t bank)
{
    return FIRST + (STATE_FIRST_BANK + (uint64_t)bank * STATE_BANK_BYTES) / SECTOR;
}

static void test_any_two_banks_may_be_damaged(void **state)
{
    static uint8_t before[sizeof(fake.now)];

    (void)state;
    open_store();
    generation(1);
    commit();
    memcpy(before, fake.now, sizeof(before));
    for (uint32_t left = 0; left < STATE_BANKS; left++) {
        memcpy(fake.now, before, sizeof(before));
        for (uint32_t bank = 0; bank < STATE_BANKS; bank++)
            if (bank != left)
                fake.now[bank_sector(bank) * SECTOR + STATE_HEADER_BYTES + 77] ^= 1;
        assert_int_equal(open_store(), STATE_OK);
        assert_int_equal(store.damaged, 2);
        assert_int_equal(store.healed, 2);
        assert_true(is_generation(1));
        assert_memory_equal(fake.now, before, sizeof(before));
    }
    for (uint32_t bank = 0; bank < STATE_BANKS; bank++)
        fake.now[bank_sector(bank) * SECTOR + 9] ^= 1;
    assert_int_equal(open_store(), STATE_NONE);
    assert_int_equal(store.damaged, 3);
    assert_int_equal(store.length, 0);
}

static void test_a_bank_that_cannot_be_written(void **state)
{
    (void)state;
    open_store();
    generation(0);
    commit();
    for (uint32_t bank = 0; bank < STATE_BANKS; bank++) {
        fake.fail_first = fake.fail_last = bank_sector(bank) + 1;
        for (uint32_t n = 1; n < 4; n++) {
            generation(n);
            assert_int_equal(commit(), STATE_OK);
            assert_int_equal(open_store(), STATE_OK);
            assert_true(is_generation(n));
        }
        assert_true(store.bank_errors > 0);
    }
}

static void test_a_disk_that_takes_no_writes(void **state)
{
    (void)state;
    open_store();
    generation(0);
    commit();
    fake.fail_first = 0;
    fake.fail_last = UINT64_MAX - 1;
    fake.fail_writes_only = true;
    generation(1);
    assert_int_equal(commit(), STATE_IO_ERROR);
    assert_int_equal(store.failed_commits, 1);
    assert_int_equal(open_store(), STATE_OK);
    assert_true(is_generation(0));
    fake.fail_writes_only = false;
    assert_int_equal(open_store(), STATE_IO_ERROR);
    fake.fail_first = UINT64_MAX;
    assert_int_equal(open_store(), STATE_OK);
    fake.disk.read_only = true;
    assert_int_equal(commit(), STATE_READ_ONLY);
}

/* A commit that is said to have failed may be on the disk all the same: the next one is newer than that too. */
static void test_commit_after_a_failed_one(void **state)
{
    (void)state;
    open_store();
    generation(0);
    commit();
    generation(1);
    fake.fail_flush = 2; /* the one after a header */
    assert_int_equal(commit(), STATE_IO_ERROR);
    fake.fail_flush = 0;
    generation(2);
    fake.fail_first = bank_sector(0);
    fake.fail_last = bank_sector(2) - 1;
    assert_int_equal(commit(), STATE_OK);
    fake.fail_first = UINT64_MAX;
    assert_int_equal(open_store(), STATE_OK);
    assert_true(is_generation(2));
}

static void test_factory_reset(void **state)
{
    bool complete = false;
    static uint8_t before[sizeof(fake.now)];

    (void)state;
    open_store();
    set("password.admin", "secret-hash-0123456789");
    set("address", "10.0.0.1/24");
    assert_int_equal(state_set(&store, "rollback", STATE_KEPT, "\x05\0\0", 4), STATE_SET);
    set("tls.key", "secret-key-0123456789");
    commit();
    memcpy(before, fake.now, sizeof(before));
    for (uint64_t after = 0; !complete; after++) {
        struct state_value value;

        memcpy(fake.now, before, sizeof(before));
        power_back(CUT_ALL);
        open_store();
        fake.writes = 0;
        fake.cut_after = after;
        state_reset(&store);
        commit();
        complete = !fake.off;
        power_back(CUT_TORN);
        assert_int_equal(open_store(), STATE_OK);
        assert_true(state_get(&store, "rollback", &value) && value.length == 4);
        assert_int_equal(state_get(&store, "tls.key", &value), is("address", "10.0.0.1/24"));
        if (!complete)
            continue;
        assert_false(state_get(&store, "address", &value));
        for (size_t i = 0; i + 6 < sizeof(fake.now); i++) /* nothing of it stays on the disk */
            assert_int_not_equal(memcmp(fake.now + i, "secret", 6), 0);
    }
}

static void test_unusable(void **state)
{
    (void)state;
    open_store();
    store.sectors = SECTORS - 1;
    state_open(&store);
    assert_int_equal(result, STATE_UNUSABLE);
    store.sectors = SECTORS;
    store.first = UINT64_MAX - 7;
    state_open(&store);
    assert_int_equal(result, STATE_UNUSABLE);
    fake.disk.block_size = 8192;
    assert_int_equal(open_store(), STATE_UNUSABLE);
}

static void test_one_at_a_time(void **state)
{
    (void)state;
    open_store();
    generation(1);
    done_calls = 0;
    assert_true(state_commit(&store));
    assert_false(state_commit(&store));
    generation(2); /* the commit has its own copy */
    run();
    assert_int_equal(done_calls, 1);
    assert_int_equal(open_store(), STATE_OK);
    assert_true(is_generation(1));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_values),
        TEST(test_bounds),
        TEST(test_power_cuts),
        TEST(test_power_cuts_while_healing),
        TEST(test_no_flush_needed),
        TEST(test_blocks_of_4096),
        TEST(test_any_two_banks_may_be_damaged),
        TEST(test_a_bank_that_cannot_be_written),
        TEST(test_a_disk_that_takes_no_writes),
        TEST(test_commit_after_a_failed_one),
        TEST(test_factory_reset),
        TEST(test_unusable),
        TEST(test_one_at_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
