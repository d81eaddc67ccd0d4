// SPDX-License-Identifier: Apache-2.0
/* Issue 2, point 13: consoles. Any number reads, at its own pace, from the start; one writes. */
#include <mgmt/console_attach.h>
#include <mgmt/session_internal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fake_appliance.h"

static struct fake_transport one, two;

static int setup(void **state)
{
    (void)state;
    fake_reset();
    fake_open(&one, SESSION_INTERACTIVE);
    fake_open(&two, SESSION_INTERACTIVE);
    fake_taken(&one);
    fake_taken(&two);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_close(&one);
    fake_close(&two);
    return 0;
}

#define assert_has(text, part)                                                                                         \
    do {                                                                                                               \
        const char *got = text;                                                                                        \
        if (strstr(got, part) == NULL)                                                                                 \
            fail_msg("wanted \"%s\" in \"%s\"", part, got);                                                            \
    } while (0)

static void write_text(uint32_t console, const char *text)
{
    fake_ring_write(console, text, strlen(text));
    fake_run(0);
}

static void input_is(const char *text)
{
    fake_console_input[fake_console_input_length] = 0;
    assert_string_equal(fake_console_input, text);
}

static void a_late_reader_sees_the_start(void **state)
{
    (void)state;
    write_text(1, "Linux boots\r\n\xff\x01login: ");
    fake_type(&one, "console linux1\r");
    assert_string_equal(fake_taken(&one), "console linux1\r\n[console linux1: Ctrl-] detaches]\r\n"
                                          "Linux boots\r\n\xff\x01login: ");
    write_text(1, "root");
    assert_string_equal(fake_taken(&one), "root"); /* as it is */
    fake_type(&one, "ls\r\x03\x04\x1b[A");
    input_is("ls\r\x03\x04\x1b[A");
    fake_type(&one, "\x1d");
    assert_string_equal(fake_taken(&one), "\r\n[detached]\r\nedge-1> ");
    fake_type(&one, "version\r");
    assert_has(fake_taken(&one), "hypercall ABI");
}

static void names(void **state)
{
    (void)state;
    write_text(2, "second console");
    fake_type(&one, "console linux1:1 --dump\r");
    assert_string_equal(fake_taken(&one), "console linux1:1 --dump\r\nsecond console\r\nedge-1> ");
    fake_type(&one, "console linux1:2\r");
    assert_has(fake_taken(&one), "domain linux1 has no console 2; it has 0 to 1");
    fake_type(&one, "console linux1:x\r");
    assert_has(fake_taken(&one), "after the colon stands a number");
    fake_type(&one, "console linx1:1\r");
    assert_has(fake_taken(&one), "no domain 'linx1:1'");
}

static void one_writes_and_it_can_be_taken_over(void **state)
{
    (void)state;
    fake_type(&one, "console linux1\r");
    fake_type(&two, "console linux1\r");
    assert_has(fake_taken(&two), "[console linux1: Ctrl-] detaches; read-only, session ");
    fake_type(&two, "x");
    assert_string_equal(fake_taken(&two), "\a");
    input_is("");
    assert_int_equal(console_attach_users(1).readers, 2);
    write_text(1, "both");
    assert_has(fake_taken(&one), "both");
    assert_has(fake_taken(&two), "both");
    fake_type(&two, "\x1d");
    fake_type(&two, "console linux1 --take\r");
    assert_has(fake_taken(&one), "writes here now; you go on reading]");
    fake_taken(&two);
    fake_type(&two, "x");
    fake_type(&one, "y");
    input_is("x");
    fake_type(&two, "\x1d"); /* free again: whoever types first has it */
    fake_type(&one, "z");
    input_is("xz");
}

static void a_closed_session_lets_go(void **state)
{
    (void)state;
    fake_type(&one, "console linux1\r");
    fake_type(&one, "abc");
    fake_close(&one);
    assert_int_equal(console_attach_users(1).readers, 0);
    assert_int_equal(console_attach_users(1).writer, 0);
    fake_type(&two, "console linux1\r");
    fake_type(&two, "def");
    input_is("abcdef");
    write_text(1, "x");
}

static void a_slow_reader_loses_the_oldest_and_is_told(void **state)
{
    char line[64];

    (void)state;
    fake_type(&one, "console linux1\r");
    fake_taken(&one);
    one.room = 0;
    for (int i = 0; i < 2000; i++) {
        snprintf(line, sizeof line, "line %d of the guest\r\n", i);
        write_text(1, line);
    }
    one.room = SIZE_MAX;
    session_writable(one.session);
    fake_run(0);
    {
        const char *text = fake_taken(&one);

        assert_true(strncmp(text, "line 0 of", 9) == 0);
        assert_has(text, " bytes lost: the console was faster than this session]\r\n");
        assert_has(text, "line 1999 of the guest\r\n");
    }
}

static void a_wrapped_ring_begins_with_a_whole_line(void **state)
{
    char line[64];

    (void)state;
    for (int i = 0; i < 2000; i++) {
        snprintf(line, sizeof line, "line %d of the guest\r\n", i);
        write_text(1, line);
    }
    fake_type(&one, "console linux1\r");
    assert_has(fake_taken(&one), " bytes are gone]\r\nline 1");
}

static void input_waits_for_the_device(void **state)
{
    char paste[4000];
    size_t taken;

    (void)state;
    memset(paste, 'p', sizeof paste);
    fake_type(&one, "console linux1\r");
    fake_console_room = 16;
    taken = session_receive(one.session, paste, sizeof paste);
    assert_in_range(taken, 16, 16 + 512);
    fake_run(FAKE_S);
    while (taken < sizeof paste) {
        unsigned resumes = one.resumes;

        fake_console_room = 16;
        console_attach_input_ready(1);
        fake_run(FAKE_S);
        assert_int_equal(one.resumes, resumes + 1);
        taken += session_receive(one.session, paste + taken, sizeof paste - taken);
    }
    while (fake_console_input_length < sizeof paste) {
        fake_console_room = 16;
        console_attach_input_ready(1);
    }
    assert_int_equal(fake_console_input_length, sizeof paste);
}

static void a_guest_that_reads_nothing_does_not_hold_its_session(void **state)
{
    char paste[600];

    (void)state;
    memset(paste, 'p', sizeof paste);
    fake_type(&one, "console linux1\r");
    fake_console_room = 0;
    assert_int_equal(session_receive(one.session, paste, sizeof paste), 512);
    fake_run(3 * FAKE_S);
    assert_has(fake_taken(&one), "[input thrown away: nothing reads it there]");
    assert_int_equal(one.resumes, 1);
    fake_type(&one, "abc\x1d"); /* typed before it: waits a while for the device */
    assert_int_equal(console_attach_users(1).readers, 1);
    fake_run(3 * FAKE_S);
    assert_int_equal(console_attach_users(1).readers, 0);
    fake_type(&one, "console linux1\r");
    fake_type(&one, "abc\x1d\x1d"); /* asked twice: at once */
    assert_int_equal(console_attach_users(1).readers, 0);
}

static void a_script_types_ahead(void **state)
{
    (void)state;
    write_text(1, "# ");
    fake_type(&one, "console linux1\rls\r\x1dversion\r");
    input_is("ls\r");
    assert_has(fake_taken(&one), "hypercall ABI");
}

static void notices_reach_an_attached_session(void **state)
{
    (void)state;
    fake_type(&one, "console linux1\r");
    write_text(1, "prompt# ");
    session_notice_all("domain linux2: stopped");
    assert_has(fake_taken(&one), "prompt# \r\n[domain linux2: stopped]\r\n");
}

static void as_a_command(void **state)
{
    struct fake_transport transport;

    (void)state;
    write_text(1, "text");
    fake_open(&transport, SESSION_COMMAND);
    fake_type(&transport, "console linux1 --dump\n");
    assert_int_equal(transport.length, 5 + 4 + 5 + 1);
    assert_memory_equal(transport.text, "\1\0\0\0\4text\3\0\0\0\1\0", 15);
    assert_int_equal(transport.closes, 1);
    fake_close(&transport);
    fake_open(&transport, SESSION_COMMAND);
    fake_type(&transport, "console linux1\nls\n");
    input_is("ls\n");
    assert_memory_equal(transport.text, "\1\0\0\0\4text", 9);
    fake_type(&transport, "\x1d");
    assert_int_equal(transport.closes, 1);
    fake_close(&transport);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_late_reader_sees_the_start, setup, teardown),
        cmocka_unit_test_setup_teardown(names, setup, teardown),
        cmocka_unit_test_setup_teardown(one_writes_and_it_can_be_taken_over, setup, teardown),
        cmocka_unit_test_setup_teardown(a_closed_session_lets_go, setup, teardown),
        cmocka_unit_test_setup_teardown(a_slow_reader_loses_the_oldest_and_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wrapped_ring_begins_with_a_whole_line, setup, teardown),
        cmocka_unit_test_setup_teardown(input_waits_for_the_device, setup, teardown),
        cmocka_unit_test_setup_teardown(a_guest_that_reads_nothing_does_not_hold_its_session, setup, teardown),
        cmocka_unit_test_setup_teardown(a_script_types_ahead, setup, teardown),
        cmocka_unit_test_setup_teardown(notices_reach_an_attached_session, setup, teardown),
        cmocka_unit_test_setup_teardown(as_a_command, setup, teardown),
    };

    return cmocka_run_group_tests_name("console_attach", tests, NULL, NULL);
}
