// SPDX-License-Identifier: Apache-2.0
/* The names of volumes that an operator keeps (issue 5, point 7). */
#include <bulkhead/channel.h>
#include <bulkhead/management.h>
#include <bulkhead/partition.h>
#include <mgmt/bulkhead_log.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <storage/state_partition.h>
#include <storage/volume_label.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

const struct partition_config partitions[] = {{.name = "mgmt"}, {.name = "one"}, {.name = "two"}};
const struct channel_config channels[] = {{.front = 1}, {.front = 2}, {.front = 1}, {.front = 2}};
const struct disk_config disks[] = {{.channel = 0, .source = DISK_GPT, .label = "first"},
                                    {.channel = 1, .source = DISK_GPT, .label = "second"},
                                    {.channel = 2, .source = DISK_GPT, .label = "third"},
                                    {.channel = 3, .source = DISK_WHOLE}};
const uint32_t disk_count = 4;
static struct state store;
static bool has_store;
static unsigned done_calls, log_calls;

void bulkhead_log(const char *format, ...)
{
    (void)format;
    log_calls++;
}

void state_when_settled(void (*settled)(struct state *store))
{
    settled(has_store ? &store : NULL);
}

static void done(void)
{
    done_calls++;
}

static int setup(void **test)
{
    (void)test;
    memset(&store, 0, sizeof store);
    has_store = true;
    done_calls = log_calls = 0;
    return 0;
}

static void set(const char *name, const char *value)
{
    assert_int_equal(state_set(&store, name, 0, value, strlen(value)), STATE_SET);
}

static void test_configured(void **test)
{
    (void)test;
    has_store = false;
    volume_labels_read(done);
    assert_string_equal(volume_label(0), "first");
    assert_string_equal(volume_label(3), "");
    has_store = true;
    volume_labels_read(done);
    assert_string_equal(volume_label(2), "third");
    assert_int_equal(done_calls, 2);
}

static void test_kept(void **test)
{
    (void)test;
    set("disk.one.0", "else");
    set("disk.one.1", "another one with blanks, 36 of these");
    set("disk.two.1", "whole");
    set("disk.one.2", "nobody");
    volume_labels_read(done);
    assert_string_equal(volume_label(0), "else");
    assert_string_equal(volume_label(1), "second");
    assert_string_equal(volume_label(2), "another one with blanks, 36 of these");
    assert_string_equal(volume_label(3), "");
    assert_int_equal(log_calls, 0);
}

static void test_what_is_not_possible(void **test)
{
    static const char *const bad[] = {"esp", "boot-a", "boot-b", "state", "a name of thirty-seven characters, so"};

    (void)test;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        set("disk.two.0", bad[i]);
        volume_labels_read(done);
        assert_string_equal(volume_label(1), "");
        assert_int_equal(log_calls, i + 1);
    }
    assert_int_equal(state_set(&store, "disk.two.0", 0, "bo\0ot", 5), STATE_SET);
    volume_labels_read(done);
    assert_string_equal(volume_label(1), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup(test_configured, setup), cmocka_unit_test_setup(test_kept, setup),
                                       cmocka_unit_test_setup(test_what_is_not_possible, setup)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
