// SPDX-License-Identifier: Apache-2.0
/* GPT parsing and reading: damaged, impossible and hostile tables (issue 2, point 12). */
#include "fake_disk.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <storage/gpt_read.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define SECTORS 4096u

static struct fake_disk *fake;
static struct gpt_reader reader;
static enum gpt_read_result result;
static uint32_t done_calls;

static const struct fake_partition three[] = {{"alpha", 100, 199}, {"beta", 200, 299}, {"gamma", 1000, 1000}};

static int setup(void **state)
{
    (void)state;
    fake = fake_disk_make(0, SECTORS);
    fake_disk_write_gpt(fake, three, 3);
    done_calls = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gpt_reader_release(&reader);
    fake_disk_free_all();
    return 0;
}

static void read_done(struct gpt_reader *from, enum gpt_read_result value)
{
    assert_ptr_equal(from, &reader);
    result = value;
    done_calls++;
}

static enum gpt_read_result read_table(void)
{
    gpt_reader_release(&reader);
    reader = (struct gpt_reader){.disk = &fake->disk, .done = read_done};
    done_calls = 0;
    gpt_read(&reader);
    fake_disk_run_all(fake);
    assert_int_equal(done_calls, 1);
    return result;
}

static enum gpt_find_result find(const char *name, struct gpt_range *range)
{
    return gpt_find(&reader.header, reader.table, name, range);
}

static uint8_t *block(uint64_t lba)
{
    return fake->cached + lba * fake->disk.block_size;
}

static void put(uint8_t *to, uint64_t value, size_t width)
{
    memcpy(to, &value, width);
}

static void test_crc(void **state)
{
    (void)state;
    assert_int_equal(gpt_crc32((const uint8_t *)"123456789", 9), 0xcbf43926);
}

static void test_finds_partitions(void **state)
{
    struct gpt_range range;

    (void)state;
    assert_int_equal(read_table(), GPT_READ_OK);
    assert_int_equal(find("beta", &range), GPT_FOUND);
    assert_int_equal(range.first, 200);
    assert_int_equal(range.blocks, 100);
    assert_int_equal(find("gamma", &range), GPT_FOUND);
    assert_int_equal(range.blocks, 1);
    assert_int_equal(find("bet", &range), GPT_NO_SUCH_NAME);
    assert_int_equal(find("betas", &range), GPT_NO_SUCH_NAME);
    assert_int_equal(find("", &range), GPT_NO_SUCH_NAME);
}

static void test_blocks_of_4096(void **state)
{
    static const struct fake_partition one[] = {{"data", 10, 19}};
    struct gpt_range range;

    (void)state;
    memset(fake->cached, 0, SECTORS * 512);
    fake->disk.block_size = 4096;
    fake_disk_write_gpt(fake, one, 1);
    assert_int_equal(read_table(), GPT_READ_OK);
    assert_int_equal(find("data", &range), GPT_FOUND);
    assert_int_equal(range.first, 10);
}

static void test_long_name(void **state)
{
    static const struct fake_partition one[] = {{"abcdefghijklmnopqrstuvwxyz0123456789", 100, 100}};
    struct gpt_range range;

    (void)state;
    fake_disk_write_gpt(fake, one, 1);
    assert_int_equal(read_table(), GPT_READ_OK);
    assert_int_equal(find("abcdefghijklmnopqrstuvwxyz0123456789", &range), GPT_FOUND);
    assert_int_equal(find("abcdefghijklmnopqrstuvwxyz0123456789x", &range), GPT_NO_SUCH_NAME);
    assert_int_equal(find("abcdefghijklmnopqrstuvwxyz012345678", &range), GPT_NO_SUCH_NAME);
}

static void test_small_transfers(void **state)
{
    struct gpt_range range;

    (void)state;
    fake->disk.max_transfer = 1536;
    assert_int_equal(read_table(), GPT_READ_OK);
    assert_true(fake->submitted > 10);
    assert_int_equal(find("gamma", &range), GPT_FOUND);
}

/* Every single damaged byte of the primary header or table leads to the backup, which says the same. */
static void test_damaged_primary(void **state)
{
    struct gpt_range range;

    (void)state;
    for (uint32_t i = 0; i < 92; i++) {
        block(1)[i] ^= 0x40;
        assert_int_equal(read_table(), GPT_READ_BACKUP);
        assert_int_equal(find("beta", &range), GPT_FOUND);
        assert_int_equal(range.first, 200);
        block(1)[i] ^= 0x40;
    }
    for (uint32_t i = 0; i < 128 * 128; i += 97) {
        block(2)[i] ^= 1;
        assert_int_equal(read_table(), GPT_READ_BACKUP);
        block(2)[i] ^= 1;
    }
    assert_int_equal(read_table(), GPT_READ_OK);
}

static void test_both_damaged(void **state)
{
    (void)state;
    block(2)[0] ^= 1;
    block(SECTORS - 1)[100] ^= 1; /* behind the header: not covered */
    assert_int_equal(read_table(), GPT_READ_BACKUP);
    block(SECTORS - 1)[30] ^= 1;
    assert_int_equal(read_table(), GPT_READ_NONE);
    memset(fake->cached, 0, SECTORS * 512);
    assert_int_equal(read_table(), GPT_READ_NONE);
}

static void test_read_errors(void **state)
{
    (void)state;
    fake->fail_sector = 1;
    assert_int_equal(read_table(), GPT_READ_BACKUP);
    fake->fail_sector = 5;
    assert_int_equal(read_table(), GPT_READ_BACKUP);
    fake->fail_sector = SECTORS - 1;
    assert_int_equal(read_table(), GPT_READ_OK);
    block(1)[0] = 0;
    assert_int_equal(read_table(), GPT_READ_IO_ERROR);
}

static void test_tiny_disk(void **state)
{
    (void)state;
    fake->disk.sectors = 2;
    assert_int_equal(read_table(), GPT_READ_NONE);
    fake->disk.sectors = 0;
    assert_int_equal(read_table(), GPT_READ_NONE);
}

/* Values that a valid checksum does not make right. */
static void test_impossible_headers(void **state)
{
    static const struct {
        uint32_t offset;
        uint32_t width;
        uint64_t value;
    } wrong[] = {
        {8, 4, 0x20000},         /* revision */
        {12, 4, 91},             /* header size */
        {12, 4, 513},            /* header size */
        {12, 4, 0xffffffff},     /* header size */
        {24, 8, 2},              /* my LBA */
        {32, 8, SECTORS},        /* alternate */
        {40, 8, 1},              /* first usable */
        {40, 8, 4063},           /* first usable behind last */
        {48, 8, SECTORS},        /* last usable */
        {48, 8, UINT64_MAX},     /* last usable */
        {72, 8, 1},              /* table on the header */
        {72, 8, 0},              /* table on the MBR */
        {72, 8, SECTORS - 3},    /* table behind the end */
        {72, 8, SECTORS},        /* likewise */
        {72, 8, UINT64_MAX - 1}, /* table wraps around */
        {72, 8, 40},             /* table in the usable blocks */
        {72, 8, 3},              /* table's end in the usable blocks */
        {80, 4, 0},              /* entries */
        {80, 4, 257},            /* entries */
        {80, 4, 0xffffffff},     /* entries */
        {84, 4, 0},              /* entry size */
        {84, 4, 127},            /* entry size */
        {84, 4, 384},            /* entry size */
        {84, 4, 1024},           /* entry size */
        {84, 4, 0x80000000},     /* entry size */
    };
    uint8_t *saved = malloc(512);

    (void)state;
    memcpy(saved, block(1), 512);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        memcpy(block(1), saved, 512);
        put(block(1) + wrong[i].offset, wrong[i].value, wrong[i].width);
        fake_disk_seal_gpt(fake, 1);
        if (read_table() != GPT_READ_BACKUP)
            fail_msg("case %zu was taken", i);
    }
    free(saved);
}

static void test_bad_partitions(void **state)
{
    static const struct fake_partition bad[] = {
        {"before", 30, 40},    {"behind", 4000, 4090}, {"reversed", 300, 299}, {"twice", 400, 409},
        {"twice", 500, 509},   {"left", 600, 700},     {"right", 700, 800},    {"huge", 900, UINT64_MAX},
        {"inner", 1010, 1011}, {"outer", 1000, 1020},
    };
    struct gpt_range range;

    (void)state;
    fake_disk_write_gpt(fake, bad, 10);
    assert_int_equal(read_table(), GPT_READ_OK);
    assert_int_equal(find("before", &range), GPT_BAD_RANGE);
    assert_int_equal(find("behind", &range), GPT_BAD_RANGE);
    assert_int_equal(find("reversed", &range), GPT_BAD_RANGE);
    assert_int_equal(find("twice", &range), GPT_AMBIGUOUS);
    assert_int_equal(find("left", &range), GPT_OVERLAP);
    assert_int_equal(find("right", &range), GPT_OVERLAP);
    assert_int_equal(find("huge", &range), GPT_BAD_RANGE);
    assert_int_equal(find("inner", &range), GPT_OVERLAP);
    assert_int_equal(find("outer", &range), GPT_OVERLAP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc),
        cmocka_unit_test_setup_teardown(test_finds_partitions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_blocks_of_4096, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_small_transfers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_primary, setup, teardown),
        cmocka_unit_test_setup_teardown(test_both_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tiny_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_impossible_headers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_partitions, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
