/* SPDX-License-Identifier: Apache-2.0 */
#include <lib/utf8.h>
#include <mgmt/line_editor.h>
#include <stdio.h>
#include <string.h>

#define CONTROL(letter) ((letter)&0x1f)
#define DELETE 0x7f
#define ESCAPE 0x1b

enum escape_state { ESCAPE_NONE, ESCAPE_SEEN, ESCAPE_CSI, ESCAPE_SS3 };

static void put(struct line_editor *editor, const char *text)
{
    editor->write(editor->owner, text, strlen(text));
}

void line_editor_bell(struct line_editor *editor)
{
    put(editor, "\a");
}

/* The byte offset one character after (before) `at`; combining characters stay with their base. */
static unsigned next_character(const struct line_editor *editor, unsigned at)
{
    if (at < editor->length)
        at += utf8_length(editor->text + at, editor->length - at);
    while (at < editor->length && utf8_columns(utf8_decode(editor->text + at)) == 0)
        at += utf8_length(editor->text + at, editor->length - at);
    return at;
}

static unsigned previous_character(const struct line_editor *editor, unsigned at)
{
    while (at > 0) {
        at--;
        if ((editor->text[at] & 0xc0) != 0x80 && utf8_columns(utf8_decode(editor->text + at)) != 0)
            break;
    }
    return at;
}

static unsigned next_word(const struct line_editor *editor, unsigned at)
{
    while (at < editor->length && editor->text[at] == ' ')
        at++;
    while (at < editor->length && editor->text[at] != ' ')
        at++;
    return at;
}

static unsigned previous_word(const struct line_editor *editor, unsigned at)
{
    while (at > 0 && editor->text[at - 1] == ' ')
        at--;
    while (at > 0 && editor->text[at - 1] != ' ')
        at--;
    return at;
}

static void move(struct line_editor *editor, unsigned to)
{
    if (to != editor->cursor)
        editor->redraw = true;
    editor->cursor = (uint16_t)to;
}

static void erase(struct line_editor *editor, unsigned from, unsigned to)
{
    if (from == to)
        return;
    memmove(editor->text + from, editor->text + to, editor->length - to + 1u);
    editor->length = (uint16_t)(editor->length - (to - from));
    editor->cursor = (uint16_t)from;
    editor->redraw = true;
}

void line_editor_insert(struct line_editor *editor, const char *text, size_t length)
{
    if (length > LINE_MAX_BYTES - editor->length) {
        line_editor_bell(editor);
        return;
    }
    if (editor->cursor != editor->length)
        editor->redraw = true;
    memmove(editor->text + editor->cursor + length, editor->text + editor->cursor,
            editor->length - editor->cursor + 1u);
    memcpy(editor->text + editor->cursor, text, length);
    editor->length = (uint16_t)(editor->length + length);
    editor->cursor = (uint16_t)(editor->cursor + length);
}

static void set_text(struct line_editor *editor, const char *text)
{
    editor->length = (uint16_t)strlen(text);
    memcpy(editor->text, text, editor->length + 1u);
    editor->cursor = editor->length;
    editor->redraw = true;
}

/* History. */

static void history_add(struct line_editor *editor)
{
    unsigned size = editor->length + 1u;
    unsigned last = editor->history_length;

    if (editor->length == 0)
        return;
    if (last > 0) {
        for (last--; last > 0 && editor->history[last - 1] != 0;)
            last--;
        if (strcmp(editor->history + last, editor->text) == 0)
            return; /* the same again */
    }
    while (editor->history_length + size > LINE_HISTORY_BYTES) {
        unsigned oldest = (unsigned)strlen(editor->history) + 1;

        memmove(editor->history, editor->history + oldest, editor->history_length - oldest);
        editor->history_length = (uint16_t)(editor->history_length - oldest);
    }
    memcpy(editor->history + editor->history_length, editor->text, size);
    editor->history_length = (uint16_t)(editor->history_length + size);
}

static void history_older(struct line_editor *editor)
{
    unsigned at = editor->history_at;

    if (at == 0) {
        line_editor_bell(editor);
        return;
    }
    if (at == editor->history_length)
        memcpy(editor->saved, editor->text, editor->length + 1u);
    for (at--; at > 0 && editor->history[at - 1] != 0;)
        at--;
    editor->history_at = (uint16_t)at;
    set_text(editor, editor->history + at);
}

static void history_newer(struct line_editor *editor)
{
    if (editor->history_at == editor->history_length) {
        line_editor_bell(editor);
        return;
    }
    editor->history_at = (uint16_t)(editor->history_at + strlen(editor->history + editor->history_at) + 1);
    set_text(editor,
             editor->history_at == editor->history_length ? editor->saved : editor->history + editor->history_at);
}

/* Display. */

static unsigned room_for_text(const struct line_editor *editor)
{
    unsigned prompt = utf8_text_columns(editor->prompt, strlen(editor->prompt));

    /* One column stays free, so that no terminal wraps. */
    return editor->width > prompt + 11u ? editor->width - prompt - 1 : 10;
}

/* Moves the window so that the cursor is in it; true when it moved. */
static bool place_window(struct line_editor *editor)
{
    unsigned room = room_for_text(editor);
    unsigned window = editor->window;

    if (utf8_text_columns(editor->text, editor->length) <= room)
        window = 0;
    else if (editor->cursor < window || utf8_text_columns(editor->text + window, editor->cursor - window) > room) {
        /* A third of the room is left on the cursor's other side, so that not every key moves the window. */
        for (window = editor->cursor;
             window > 0 && utf8_text_columns(editor->text + window, editor->cursor - window) < room - room / 3;)
            window = previous_character(editor, window);
    }
    if (window == editor->window)
        return false;
    editor->window = (uint16_t)window;
    return true;
}

static void show(struct line_editor *editor)
{
    unsigned room = room_for_text(editor);
    unsigned end = editor->window, columns, back;
    char sequence[16];

    while (end < editor->length) {
        unsigned next = next_character(editor, end);

        if (utf8_text_columns(editor->text + editor->window, next - editor->window) > room)
            break;
        end = next;
    }
    if (editor->prompt_shown || editor->text_shown)
        put(editor, "\r");
    put(editor, editor->prompt);
    editor->write(editor->owner, editor->text + editor->window, end - editor->window);
    if (editor->prompt_shown || editor->text_shown)
        put(editor, "\x1b[K");
    columns = utf8_text_columns(editor->text + editor->window, end - editor->window);
    back = columns - utf8_text_columns(editor->text + editor->window, editor->cursor - editor->window);
    if (back > 0) {
        snprintf(sequence, sizeof sequence, "\x1b[%uD", back);
        put(editor, sequence);
    }
}

void line_editor_refresh(struct line_editor *editor)
{
    bool moved = place_window(editor);

    if (editor->prompt_shown && !editor->redraw && !moved)
        editor->write(editor->owner, editor->text + editor->shown_length, editor->length - editor->shown_length);
    else
        show(editor);
    editor->prompt_shown = true;
    editor->text_shown = editor->text_shown || editor->length > 0;
    editor->shown_length = editor->length;
    editor->redraw = false;
}

void line_editor_hide(struct line_editor *editor)
{
    if (editor->prompt_shown)
        put(editor, "\r\x1b[K");
    editor->prompt_shown = false;
    editor->text_shown = false;
}

void line_editor_leave(struct line_editor *editor)
{
    if (editor->prompt_shown)
        put(editor, "\r\n");
    editor->prompt_shown = false;
    editor->text_shown = false;
}

void line_editor_init(struct line_editor *editor, const char *prompt,
                      void (*write)(void *owner, const char *text, size_t length), void *owner)
{
    memset(editor, 0, sizeof *editor);
    editor->prompt = prompt;
    editor->write = write;
    editor->owner = owner;
    editor->width = 80;
}

static void clear(struct line_editor *editor)
{
    editor->length = editor->cursor = 0;
    editor->text[0] = 0;
    editor->window = 0;
    editor->history_at = editor->history_length;
    editor->partial_length = 0;
    editor->escape = ESCAPE_NONE;
    editor->prompt_shown = editor->text_shown = false;
    editor->redraw = false;
}

void line_editor_start(struct line_editor *editor)
{
    clear(editor);
    line_editor_refresh(editor);
}

/* Keys. */

static enum line_event enter(struct line_editor *editor, uint8_t byte)
{
    if (byte == '\n' && editor->prompt_shown && !editor->text_shown) {
        /* The terminal is in line mode and has shown text and line end itself. */
    } else {
        line_editor_refresh(editor);
        put(editor, "\r\n");
    }
    editor->prompt_shown = editor->text_shown = false;
    history_add(editor);
    return LINE_DONE;
}

static enum line_event control_key(struct line_editor *editor, uint8_t byte)
{
    switch (byte) {
    case '\r':
    case '\n':
        return enter(editor, byte);
    case '\t':
        return LINE_COMPLETE;
    case CONTROL('A'):
        move(editor, 0);
        break;
    case CONTROL('B'):
        move(editor, previous_character(editor, editor->cursor));
        break;
    case CONTROL('C'):
        line_editor_refresh(editor);
        put(editor, "^C\r\n");
        editor->prompt_shown = editor->text_shown = false;
        return LINE_INTERRUPT;
    case CONTROL('D'):
        if (editor->length == 0)
            return LINE_END;
        erase(editor, editor->cursor, next_character(editor, editor->cursor));
        break;
    case CONTROL('E'):
        move(editor, editor->length);
        break;
    case CONTROL('F'):
        move(editor, next_character(editor, editor->cursor));
        break;
    case CONTROL('H'):
    case DELETE:
        erase(editor, previous_character(editor, editor->cursor), editor->cursor);
        break;
    case CONTROL('K'):
        erase(editor, editor->cursor, editor->length);
        break;
    case CONTROL('L'):
        put(editor, "\x1b[H\x1b[2J");
        editor->prompt_shown = editor->text_shown = false;
        break;
    case CONTROL('N'):
        history_newer(editor);
        break;
    case CONTROL('P'):
        history_older(editor);
        break;
    case CONTROL('U'):
        erase(editor, 0, editor->cursor);
        break;
    case CONTROL('W'):
        erase(editor, previous_word(editor, editor->cursor), editor->cursor);
        break;
    case ESCAPE:
        editor->escape = ESCAPE_SEEN;
        break;
    default:
        break; /* other control characters have no meaning */
    }
    return LINE_NOTHING;
}

static void navigation_key(struct line_editor *editor, unsigned key)
{
    bool by_word = editor->parameters >= 2 && editor->parameter[1] >= 3; /* with Alt or Ctrl */

    switch (key) {
    case 'A':
        history_older(editor);
        break;
    case 'B':
        history_newer(editor);
        break;
    case 'C':
        move(editor, by_word ? next_word(editor, editor->cursor) : next_character(editor, editor->cursor));
        break;
    case 'D':
        move(editor, by_word ? previous_word(editor, editor->cursor) : previous_character(editor, editor->cursor));
        break;
    case 'H':
        move(editor, 0);
        break;
    case 'F':
        move(editor, editor->length);
        break;
    default:
        break;
    }
}

static void csi_final(struct line_editor *editor, uint8_t byte)
{
    unsigned first = editor->parameter[0];

    if (byte == '~') {
        if (first == 1 || first == 7)
            move(editor, 0);
        else if (first == 4 || first == 8)
            move(editor, editor->length);
        else if (first == 3)
            erase(editor, editor->cursor, next_character(editor, editor->cursor));
    } else if (byte == 't') {
        /* A terminal (or tools/bhctl for it) reports its size: 8 ; rows ; columns. */
        if (first == 8 && editor->parameters == 3 && editor->parameter[2] >= 20) {
            editor->width = editor->parameter[2];
            editor->redraw = editor->redraw || editor->length > 0;
        }
    } else {
        navigation_key(editor, byte);
    }
}

static void escape_byte(struct line_editor *editor, uint8_t byte)
{
    switch (editor->escape) {
    case ESCAPE_SEEN:
        editor->escape = ESCAPE_NONE;
        editor->parameters = 1;
        memset(editor->parameter, 0, sizeof editor->parameter);
        if (byte == '[')
            editor->escape = ESCAPE_CSI;
        else if (byte == 'O')
            editor->escape = ESCAPE_SS3;
        else if (byte == 'b')
            move(editor, previous_word(editor, editor->cursor));
        else if (byte == 'f')
            move(editor, next_word(editor, editor->cursor));
        else if (byte == 'd')
            erase(editor, editor->cursor, next_word(editor, editor->cursor));
        else if (byte == DELETE || byte == CONTROL('H'))
            erase(editor, previous_word(editor, editor->cursor), editor->cursor);
        else if (byte == ESCAPE)
            editor->escape = ESCAPE_SEEN;
        break;
    case ESCAPE_SS3:
        editor->escape = ESCAPE_NONE;
        navigation_key(editor, byte);
        break;
    default:
        if (byte >= '0' && byte <= '9') {
            uint16_t *parameter = &editor->parameter[editor->parameters - 1];

            *parameter = (uint16_t)(*parameter < 1000 ? *parameter * 10 + (byte - '0') : 9999);
        } else if (byte == ';') {
            if (editor->parameters < sizeof editor->parameter / sizeof editor->parameter[0])
                editor->parameters++;
        } else if (byte >= 0x40 && byte <= 0x7e) {
            editor->escape = ESCAPE_NONE;
            csi_final(editor, byte);
        } else if (byte < 0x20 || byte > 0x3f) {
            editor->escape = ESCAPE_NONE; /* no escape sequence after all */
        }
        break;
    }
}

static void text_byte(struct line_editor *editor, uint8_t byte)
{
    editor->partial[editor->partial_length++] = byte;
    if (utf8_length(editor->partial, editor->partial_length) == editor->partial_length) {
        uint32_t character = utf8_decode(editor->partial);

        if (character < 0x7f || character > 0x9f) /* no C1 control characters */
            line_editor_insert(editor, (char *)editor->partial, editor->partial_length);
        editor->partial_length = 0;
    } else if (!utf8_incomplete(editor->partial, editor->partial_length)) {
        editor->partial_length = 0; /* not UTF-8: dropped, since no terminal would show it the same way */
        if (utf8_length(&byte, 1) == 1 || utf8_incomplete(&byte, 1))
            text_byte(editor, byte);
    }
}

enum line_event line_editor_input(struct line_editor *editor, uint8_t byte)
{
    bool lf_of_crlf = byte == '\n' && editor->after_cr;

    editor->after_cr = byte == '\r';
    if (lf_of_crlf)
        return LINE_NOTHING;
    if (editor->escape != ESCAPE_NONE && byte != '\r' && byte != '\n' && byte != CONTROL('C')) {
        escape_byte(editor, byte);
        return LINE_NOTHING;
    }
    editor->escape = ESCAPE_NONE;
    if (byte < 0x20 || byte == DELETE) {
        editor->partial_length = 0;
        return control_key(editor, byte);
    }
    text_byte(editor, byte);
    return LINE_NOTHING;
}
