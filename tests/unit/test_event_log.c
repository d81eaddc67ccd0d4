// SPDX-License-Identifier: Apache-2.0
/* The event log of a measured boot (issue 5, point 4): what is written is read; what is damaged is not. */
#include <lib/event_log.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t log[512];
static uint32_t length;

static void add(uint32_t pcr, uint32_t type, uint8_t fill, const char *text)
{
    uint8_t digest[EVENT_DIGEST_BYTES];
    struct event event = {pcr, type, digest, (const uint8_t *)text, (uint32_t)strlen(text) + 1};
    uint32_t bytes;

    memset(digest, fill, sizeof(digest));
    bytes = event_log_put(log + length, (uint32_t)sizeof(log) - length, &event);
    assert_int_not_equal(bytes, 0);
    length += bytes;
}

static int make(void **state)
{
    (void)state;
    memset(log, 0, sizeof(log));
    length = event_log_begin(log, sizeof(log));
    add(8, EV_IPL, 0x11, "kernel");
    add(9, EV_IPL, 0x22, "bundle");
    return 0;
}

static void test_reads_what_was_written(void **state)
{
    struct event_reader reader;
    struct event event;

    (void)state;
    assert_true(event_reader_open(&reader, log, sizeof(log))); /* zeros behind it end it */
    assert_true(event_next(&reader, &event));
    assert_int_equal(event.pcr, 8);
    assert_string_equal((const char *)event.data, "kernel");
    assert_int_equal(event.sha256[31], 0x11);
    assert_true(event_next(&reader, &event));
    assert_int_equal(event.pcr, 9);
    assert_int_equal(event.sha256[0], 0x22);
    assert_false(event_next(&reader, &event));
    assert_true(reader.sound);
    assert_int_equal(reader.at, length);
}

static void test_has_no_room(void **state)
{
    uint8_t digest[EVENT_DIGEST_BYTES] = {0};
    struct event event = {8, EV_IPL, digest, digest, 5};

    (void)state;
    assert_int_equal(event_log_begin(log, 30), 0);
    assert_int_equal(event_log_put(log, 54, &event), 0);
    assert_int_equal(event_log_put(log, 55, &event), 55);
}

/* At each length: never a byte behind it, and what is whole is read. */
static void test_is_cut_anywhere(void **state)
{
    (void)state;
    for (uint32_t cut = 0; cut <= length; cut++) {
        uint8_t *copy = malloc(cut > 0 ? cut : 1);
        struct event_reader reader;
        struct event event;
        uint32_t events = 0;

        memcpy(copy, log, cut);
        if (event_reader_open(&reader, copy, cut)) {
            while (event_next(&reader, &event))
                events++;
            assert_int_equal(reader.sound,
                             cut == length || events == 0 ? reader.sound : events < 2 && reader.at == cut);
        }
        assert_true(events == 2 ? cut == length : events <= 1);
        free(copy);
    }
}

static void test_refuses_what_cannot_be(void **state)
{
    struct event_reader reader;
    struct event event;
    uint8_t saved;

    (void)state;
    log[36]++; /* the signature of the first event */
    assert_false(event_reader_open(&reader, log, length));
    log[36]--;
    log[32 + 24] = 9; /* algorithms */
    assert_false(event_reader_open(&reader, log, length));
    log[32 + 24] = 0;
    assert_false(event_reader_open(&reader, log, length));
    log[32 + 24] = 1;
    log[32 + 30] = 20; /* SHA-256 with 20 bytes */
    assert_false(event_reader_open(&reader, log, length));
    log[32 + 30] = 32;
    assert_true(event_reader_open(&reader, log, length));
    saved = log[reader.at + 12];
    log[reader.at + 12] = 4; /* a digest that the first event has not named */
    assert_false(event_next(&reader, &event));
    assert_false(reader.sound);
    assert_false(event_next(&reader, &event)); /* and that is the end */
    assert_true(event_reader_open(&reader, log, length));
    log[reader.at + 12] = saved;
    memset(log + reader.at + 46, 0xff, 4); /* of the event's data */
    assert_false(event_next(&reader, &event));
}

static void test_knows_the_startup_locality(void **state)
{
    static const uint8_t data[] = "StartupLocality\0\3";
    struct event event = {0, EV_NO_ACTION, NULL, data, 17};

    (void)state;
    assert_int_equal(event_startup_locality(&event), 3);
    event.length = 16;
    assert_int_equal(event_startup_locality(&event), 0);
    event.length = 17;
    event.pcr = 1;
    assert_int_equal(event_startup_locality(&event), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_reads_what_was_written, make),
        cmocka_unit_test_setup(test_has_no_room, make),
        cmocka_unit_test_setup(test_is_cut_anywhere, make),
        cmocka_unit_test_setup(test_refuses_what_cannot_be, make),
        cmocka_unit_test_setup(test_knows_the_startup_locality, make),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
