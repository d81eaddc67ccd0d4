// SPDX-License-Identifier: Apache-2.0
/* The line editor, seen through a terminal of 40 columns that knows just what the editor may send. */
#include <lib/utf8.h>
#include <mgmt/line_editor.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COLUMNS 40
#define ROWS 32

static struct {
    char cell[ROWS][COLUMNS + 1][5]; /* one character each, with its combining ones cut */
    unsigned row, column, bells;
    char raw[65536];
    size_t raw_length;
} terminal;

static void erase_row(unsigned from)
{
    for (; from <= COLUMNS; from++)
        strcpy(terminal.cell[terminal.row][from], " ");
}

static void terminal_reset(void)
{
    memset(&terminal, 0, sizeof terminal);
    for (terminal.row = ROWS - 1; terminal.row > 0; terminal.row--)
        erase_row(0);
    erase_row(0);
}

static void terminal_write(void *owner, const char *text, size_t length)
{
    size_t at = 0;

    (void)owner;
    assert_true(terminal.raw_length + length < sizeof terminal.raw);
    memcpy(terminal.raw + terminal.raw_length, text, length);
    terminal.raw_length += length;
    while (at < length) {
        unsigned n = utf8_length(text + at, length - at);

        assert_int_not_equal(n, 0);
        if (text[at] == '\a') {
            terminal.bells++;
        } else if (text[at] == '\r') {
            terminal.column = 0;
        } else if (text[at] == '\n') {
            terminal.row++;
            assert_true(terminal.row < ROWS);
        } else if (text[at] == 0x1b) {
            unsigned number = 0;

            assert_int_equal(text[++at], '[');
            while (text[++at] >= '0' && text[at] <= '9')
                number = number * 10 + (unsigned)(text[at] - '0');
            if (text[at] == 'K') {
                erase_row(terminal.column);
            } else if (text[at] == 'D') {
                assert_true(number > 0 && number <= terminal.column);
                terminal.column -= number;
            } else if (text[at] == 'H') {
                terminal.row = terminal.column = 0;
            } else if (text[at] == 'J') {
                assert_int_equal(number, 2);
                terminal_reset();
            } else {
                fail_msg("unknown sequence ...%c", text[at]);
            }
        } else {
            assert_true((unsigned char)text[at] >= 0x20);
            if (utf8_columns(utf8_decode(text + at)) > 0) {
                assert_true(terminal.column < COLUMNS); /* nothing may wrap */
                memcpy(terminal.cell[terminal.row][terminal.column], text + at, n);
                terminal.cell[terminal.row][terminal.column][n] = 0;
                for (unsigned extra = 1; extra < utf8_columns(utf8_decode(text + at)); extra++)
                    strcpy(terminal.cell[terminal.row][++terminal.column], "");
                terminal.column++;
            }
        }
        at += n;
    }
}

/* The text of a row without the blanks at its end. */
static const char *row_text(unsigned row)
{
    static char text[COLUMNS * 4 + 1];
    unsigned column;

    text[0] = 0;
    for (column = 0; column < COLUMNS; column++)
        strcat(text, terminal.cell[row][column]);
    for (column = (unsigned)strlen(text); column > 0 && text[column - 1] == ' '; column--)
        text[column - 1] = 0;
    return text;
}

#define assert_row(row, text) assert_string_equal(row_text(row), text)

static struct line_editor editor;

static int setup(void **state)
{
    (void)state;
    terminal_reset();
    line_editor_init(&editor, "edge-1> ", terminal_write, NULL);
    editor.width = COLUMNS;
    line_editor_start(&editor);
    return 0;
}

/* A burst; returns the last event that was something. */
static enum line_event type(const char *keys)
{
    enum line_event last = LINE_NOTHING;

    for (; *keys != 0; keys++) {
        enum line_event event = line_editor_input(&editor, (uint8_t)*keys);

        if (event != LINE_NOTHING)
            last = event;
        if (event == LINE_DONE || event == LINE_INTERRUPT)
            return last;
    }
    line_editor_refresh(&editor);
    return last;
}

static void enter(const char *line)
{
    type(line);
    assert_int_equal(type("\r"), LINE_DONE);
    assert_string_equal(editor.text, line);
    line_editor_start(&editor);
}

static void typing_echoes_plainly(void **state)
{
    (void)state;
    assert_row(0, "edge-1>");
    type("dom");
    type("ain list");
    assert_row(0, "edge-1> domain list");
    terminal.raw[terminal.raw_length] = 0;
    assert_string_equal(terminal.raw, "edge-1> domain list");
    assert_int_equal(type("\r"), LINE_DONE);
    assert_string_equal(editor.text, "domain list");
    assert_int_equal(terminal.row, 1);
    assert_int_equal(line_editor_input(&editor, '\n'), LINE_NOTHING); /* CR LF is one Enter */
}

static void moving_and_deleting(void **state)
{
    (void)state;
    type("hxllo");
    type("\x01\x1b[C\x1b[3~e");
    assert_row(0, "edge-1> hello");
    assert_int_equal(terminal.column, 8 + 2);
    type("\x05 world\x17");
    assert_row(0, "edge-1> hello");
    type("there\x1b[H\x0b");
    assert_row(0, "edge-1>");
    type("abc def\x1b[D\x1b[D\x15");
    assert_row(0, "edge-1> ef");
    assert_int_equal(terminal.column, 8);
    type("\x1b[F\x7f\x7f\x7f");
    assert_row(0, "edge-1>");
    type("one two\x1b[1;5D\x1b[1;5DX\x1b[4~Y\x1bOHZ");
    assert_row(0, "edge-1> ZXone twoY");
}

static void end_interrupt_and_clear(void **state)
{
    (void)state;
    assert_int_equal(type("\x04"), LINE_END);
    type("ab\x02\x04"); /* deletes b */
    assert_row(0, "edge-1> a");
    assert_int_equal(type("\x03"), LINE_INTERRUPT);
    assert_row(0, "edge-1> a^C");
    line_editor_start(&editor);
    assert_row(1, "edge-1>");
    type("keep");
    type("\x0c");
    assert_int_equal(terminal.row, 0);
    assert_row(0, "edge-1> keep");
    assert_int_equal(type("x\t"), LINE_COMPLETE);
}

static void history(void **state)
{
    (void)state;
    enter("first");
    enter("second");
    enter("second"); /* kept once */
    type("draft\x1b[A");
    assert_row(3, "edge-1> second");
    type("\x1b[A");
    assert_row(3, "edge-1> first");
    type("\x1b[A");
    assert_int_equal(terminal.bells, 1);
    type("\x0e\x1b[B");
    assert_row(3, "edge-1> draft");
    type("\x1b[B");
    assert_int_equal(terminal.bells, 2);
    type("\x10\x10!\r");
    assert_string_equal(editor.text, "first!");
}

static void history_is_bounded(void **state)
{
    char line[64];

    (void)state;
    for (int i = 0; i < 500; i++) {
        snprintf(line, sizeof line, "line number %d of the history", i);
        type(line);
        assert_int_equal(type("\r"), LINE_DONE);
        terminal_reset();
        line_editor_start(&editor);
        assert_true(editor.history_length <= LINE_HISTORY_BYTES);
    }
    type("\x1b[A");
    assert_row(0, "edge-1> line number 499 of the history");
    for (int i = 0; i < 500; i++)
        type("\x1b[A");
    assert_true(terminal.bells > 0);
    assert_true(strncmp(editor.text, "line number ", 12) == 0);
}

static void long_lines_scroll_in_a_window(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        type("0123456789");
    assert_int_equal(editor.length, 200);
    assert_int_equal(terminal.row, 0);
    assert_string_equal(terminal.cell[0][terminal.column - 1], "9");
    type("\x01");
    assert_row(0, "edge-1> 0123456789012345678901234567890");
    assert_int_equal(terminal.column, 8);
    for (int i = 0; i < 200; i++)
        type("\x1b[C");
    assert_int_equal(editor.cursor, 200);
    for (int i = 0; i < 120; i++)
        type("0123456789a");
    assert_int_equal(editor.length, 1024); /* full: the rest rings the bell */
    assert_true(terminal.bells > 0);
    assert_int_equal(type("\r"), LINE_DONE);
    assert_int_equal(strlen(editor.text), 1024);
}

static void utf8_is_edited_by_character(void **state)
{
    (void)state;
    type("gr\xc3");
    type("\xbc\xc3\x9f"
         "e"); /* a character in two bursts */
    assert_row(0, "edge-1> gr\xc3\xbc\xc3\x9f"
                  "e");
    type("\x1b[D\x1b[D\x7f");
    assert_row(0, "edge-1> gr\xc3\x9f"
                  "e");
    type("\x05\xe6\xbc\xa2");
    assert_int_equal(terminal.column, 8 + 6);
    type("\x7f");
    assert_row(0, "edge-1> gr\xc3\x9f"
                  "e");
    type("a\xcc\x88\x7f"); /* a base and its combining character go together */
    assert_row(0, "edge-1> gr\xc3\x9f"
                  "e");
    type("\xff\xc0\x80\xed\xa0\x80x\xc2\x85"); /* not UTF-8, and a C1 control character */
    assert_row(0, "edge-1> gr\xc3\x9f"
                  "ex");
}

static void line_mode_terminals_are_not_echoed(void **state)
{
    (void)state;
    terminal.raw_length = 0;
    assert_int_equal(type("domain list\n"), LINE_DONE);
    assert_string_equal(editor.text, "domain list");
    assert_int_equal(terminal.raw_length, 0);
    line_editor_start(&editor);
    terminal.raw_length = 0;
    type("typed");
    assert_int_equal(type("\n"), LINE_DONE);
    terminal.raw[terminal.raw_length] = 0;
    assert_string_equal(terminal.raw, "typed\r\n");
}

static void notices_come_between(void **state)
{
    (void)state;
    type("half");
    line_editor_hide(&editor);
    assert_row(0, "");
    terminal_write(NULL, "notice\r\n", 8);
    line_editor_refresh(&editor);
    assert_row(0, "notice");
    assert_row(1, "edge-1> half");
    line_editor_leave(&editor);
    terminal_write(NULL, "choices\r\n", 9);
    line_editor_insert(&editor, "way ", 4);
    line_editor_refresh(&editor);
    assert_row(1, "edge-1> half");
    assert_row(2, "choices");
    assert_row(3, "edge-1> halfway");
}

static void a_terminal_may_report_its_size(void **state)
{
    (void)state;
    type("\x1b[8;24;30t");
    assert_int_equal(editor.width, 30);
    type("\x1b[8;24;3t\x1b[8;24t\x1b[;;;;;;;9999999999999t\x1b[1\x01");
    assert_int_equal(editor.width, 30);
    type("abcdefghijklmnopqrstuvwxyz");
    assert_true(terminal.column < 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(typing_echoes_plainly, setup),
        cmocka_unit_test_setup(moving_and_deleting, setup),
        cmocka_unit_test_setup(end_interrupt_and_clear, setup),
        cmocka_unit_test_setup(history, setup),
        cmocka_unit_test_setup(history_is_bounded, setup),
        cmocka_unit_test_setup(long_lines_scroll_in_a_window, setup),
        cmocka_unit_test_setup(utf8_is_edited_by_character, setup),
        cmocka_unit_test_setup(line_mode_terminals_are_not_echoed, setup),
        cmocka_unit_test_setup(notices_come_between, setup),
        cmocka_unit_test_setup(a_terminal_may_report_its_size, setup),
    };

    return cmocka_run_group_tests_name("line_editor", tests, NULL, NULL);
}
