// SPDX-License-Identifier: Apache-2.0
/* Volumes: opening, and that no request leaves its range (issue 2, point 12). */
#include "fake_disk.h"
#include <mgmt/bulkhead_log.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <storage/volume.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define SECTORS 4096u

struct disk_config test_disks[8] __asm__("disks"); /* const to the code under test, not to us */
const uint32_t disk_count = 8;
static struct fake_disk *fake;
static uint32_t opened_calls;
static enum disk_result last_result;
static uint32_t done_calls;

static const struct fake_partition three[] = {{"alpha", 100, 199}, {"beta", 200, 299}, {"gamma", 1000, 1007}};

void bulkhead_log(const char *format, ...)
{
    (void)format;
}

static void opened(struct volume *volume)
{
    assert_int_not_equal(volume->state, VOLUME_OPENING);
    opened_calls++;
}

static int setup(void **state)
{
    (void)state;
    memset(test_disks, 0, sizeof(test_disks));
    for (uint32_t i = 0; i < disk_count; i++) {
        struct volume *volume = volume_get(i);

        memset(volume, 0, sizeof(*volume));
        volume->opened = opened;
        test_disks[i] = (struct disk_config){.device = 9, .label = ""};
    }
    opened_calls = 0;
    done_calls = 0;
    fake = fake_disk_make(0, SECTORS);
    fake_disk_write_gpt(fake, three, 3);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_disk_free_all();
    return 0;
}

static struct disk_config partition(const char *label)
{
    return (struct disk_config){.source = DISK_GPT, .label = label};
}

static struct disk_config region(const char *label, uint64_t offset, uint64_t size)
{
    return (struct disk_config){.source = DISK_REGION, .label = label, .offset = offset, .size = size};
}

static void start(void)
{
    volume_start();
    fake_disk_run_all(fake);
    assert_int_equal(opened_calls, disk_count);
}

static void assert_unavailable(uint32_t index, const char *why)
{
    struct volume *volume = volume_get(index);

    assert_int_equal(volume->state, VOLUME_UNAVAILABLE);
    assert_int_equal(volume->sectors, 0);
    if (strstr(volume->status, why) == NULL)
        fail_msg("volume %u: \"%s\" does not say \"%s\"", index, volume->status, why);
}

static void assert_place(uint32_t index, uint64_t first, uint64_t sectors)
{
    struct volume *volume = volume_get(index);

    if (volume->state != VOLUME_READY)
        fail_msg("volume %u: %s", index, volume->status);
    assert_int_equal(volume->first, first);
    assert_int_equal(volume->sectors, sectors);
}

static void done(struct volume_request *request, enum disk_result result)
{
    (void)request;
    last_result = result;
    done_calls++;
}

/* True: it went to the disk and came back, with last_result. */
static bool submit(uint32_t index, enum disk_operation operation, uint64_t sector, uint64_t sectors)
{
    static uint8_t buffer[1 << 16];
    static struct segment segment;
    static struct volume_request request;
    uint32_t calls = done_calls;

    segment = (struct segment){.base = buffer, .length = (uint32_t)(sectors * 512)};
    memset(buffer, 0x5a, sizeof(buffer));
    request = (struct volume_request){
        .disk = {.operation = operation, .segments = 1, .segment = &segment, .sector = sector, .sectors = sectors},
        .done = done,
    };
    if (!volume_submit(volume_get(index), &request)) {
        assert_int_equal(done_calls, calls);
        return false;
    }
    fake_disk_run_all(fake);
    assert_int_equal(done_calls, calls + 1);
    return true;
}

static void test_places(void **state)
{
    (void)state;
    test_disks[0] = partition("alpha");
    test_disks[1] = region("beta", 4096, 8192);
    test_disks[2] = region("beta", 16384, 0);
    test_disks[3] = region("gamma", 0, 4096);
    start();
    assert_place(0, 100, 100);
    assert_place(1, 208, 16);
    assert_place(2, 232, 68);
    assert_place(3, 1000, 8);
    assert_int_equal(fake->submitted, 2); /* the table is read once */
    assert_int_equal(volume_get(0)->reads, 0);
    assert_unavailable(4, "disk 9 is missing");
    assert_null(volume_get(8));
}

static void test_why_not(void **state)
{
    (void)state;
    test_disks[0] = partition("delta");
    test_disks[1] = region("alpha", 100 * 512, 4096);
    test_disks[2] = region("alpha", 4096, 100 * 512);
    test_disks[3] = region("gamma", UINT64_MAX & ~4095ull, 4096);
    test_disks[4] = region("alpha", 4096, UINT64_MAX & ~4095ull);
    test_disks[5] = partition("alpha");
    test_disks[6] = partition("alpha");
    test_disks[7] = (struct disk_config){.source = DISK_WHOLE, .label = ""};
    start();
    assert_unavailable(0, "no partition \"delta\"");
    assert_unavailable(1, "begins beyond");
    assert_unavailable(2, "ends beyond");
    assert_unavailable(3, "begins beyond");
    assert_unavailable(4, "ends beyond");
    assert_unavailable(5, "shares sectors with volume 7"); /* a whole disk needs no table, so it is first */
    assert_unavailable(6, "shares sectors");
    assert_place(7, 0, SECTORS);
}

static void test_read_only_may_share(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        test_disks[i] = partition("alpha");
        test_disks[i].read_only = i < 3;
    }
    start();
    for (uint32_t i = 0; i < 3; i++)
        assert_place(i, 100, 100);
    assert_unavailable(3, "shares sectors");
    assert_true(volume_get(0)->read_only);
}

static void test_damaged_table(void **state)
{
    (void)state;
    memset(fake->cached + 512, 0, 512);
    memset(fake->cached + (SECTORS - 1) * 512, 0, 512);
    test_disks[0] = partition("alpha");
    start();
    assert_unavailable(0, "no valid GPT");
}

static void test_backup_is_enough(void **state)
{
    (void)state;
    memset(fake->cached + 512, 0, 512);
    test_disks[0] = partition("alpha");
    start();
    assert_place(0, 100, 100);
}

static void test_strange_block_size(void **state)
{
    (void)state;
    fake->disk.block_size = 0;
    test_disks[0] = partition("alpha");
    test_disks[1] = (struct disk_config){.source = DISK_WHOLE, .label = ""};
    start();
    assert_unavailable(0, "blocks of 0 bytes");
    assert_unavailable(1, "blocks of 0 bytes");
}

static void test_bounds(void **state)
{
    static const uint64_t bad[][2] = {
        {100, 1}, {99, 2}, {0, 101}, {5, 0}, {UINT64_MAX, 1}, {UINT64_MAX, 2}, {1, UINT64_MAX}, {50, UINT64_MAX - 49},
    };

    (void)state;
    test_disks[0] = partition("alpha");
    start();
    assert_true(submit(0, DISK_WRITE, 0, 100));
    assert_int_equal(last_result, DISK_OK);
    assert_true(submit(0, DISK_READ, 99, 1));
    assert_true(submit(0, DISK_DISCARD, 0, 100));
    assert_true(submit(0, DISK_WRITE_ZEROES, 0, 100));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        for (int operation = DISK_READ; operation <= DISK_WRITE_ZEROES; operation++)
            if (submit(0, (enum disk_operation)operation, bad[i][0], bad[i][1]))
                fail_msg("case %zu, operation %d was taken", i, operation);
    assert_false(submit(0, (enum disk_operation)9, 0, 1));
    assert_int_equal(volume_get(0)->refused, 41);
    assert_int_equal(volume_get(0)->in_flight, 0);
    for (uint32_t i = 0; i < 512; i++) { /* the neighbours are untouched */
        assert_int_equal(fake->cached[99 * 512 + i], 0);
        assert_int_equal(fake->cached[200 * 512 + i], 0);
    }
}

static void test_alignment_to_blocks(void **state)
{
    (void)state;
    fake->disk.block_size = 4096;
    test_disks[0] = (struct disk_config){.source = DISK_WHOLE, .label = ""};
    start();
    assert_true(submit(0, DISK_WRITE, 8, 8));
    assert_false(submit(0, DISK_WRITE, 1, 8));
    assert_false(submit(0, DISK_WRITE, 8, 7));
}

static void test_read_only(void **state)
{
    (void)state;
    test_disks[0] = partition("alpha");
    test_disks[0].read_only = true;
    start();
    assert_true(submit(0, DISK_READ, 0, 1));
    assert_true(submit(0, DISK_FLUSH, 0, 0));
    assert_false(submit(0, DISK_WRITE, 0, 1));
    assert_false(submit(0, DISK_DISCARD, 0, 1));
    assert_false(submit(0, DISK_WRITE_ZEROES, 0, 1));
}

static void test_what_the_disk_cannot(void **state)
{
    (void)state;
    fake->disk.has_flush = fake->disk.has_discard = fake->disk.has_write_zeroes = false;
    fake->disk.max_transfer = 4096;
    test_disks[0] = partition("alpha");
    start();
    assert_false(submit(0, DISK_FLUSH, 0, 0));
    assert_false(submit(0, DISK_DISCARD, 0, 1));
    assert_false(submit(0, DISK_WRITE_ZEROES, 0, 1));
    assert_false(submit(0, DISK_READ, 0, 9));
    assert_true(submit(0, DISK_READ, 0, 8));
}

static void test_errors_are_counted(void **state)
{
    (void)state;
    test_disks[0] = partition("alpha");
    start();
    fake->fail_sector = 150;
    assert_true(submit(0, DISK_READ, 50, 1));
    assert_int_equal(last_result, DISK_IO_ERROR);
    assert_int_equal(volume_get(0)->errors, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_places, setup, teardown),
        cmocka_unit_test_setup_teardown(test_why_not, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_only_may_share, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_table, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backup_is_enough, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strange_block_size, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_alignment_to_blocks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_the_disk_cannot, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors_are_counted, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
