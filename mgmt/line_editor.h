/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line editor of a session: a fixed-size line with cursor movement, history and a window on lines that are longer
 * than the terminal is wide. Pure logic: bytes in, bytes out, no allocation. Everything it sends works on a VT100.
 *
 * Bytes are taken one by one with line_editor_input(); line_editor_refresh() after the last of a burst shows what
 * changed. So a burst that ends in LF, as a terminal in line mode sends it (and has shown it itself), is never echoed.
 */
#ifndef MGMT_LINE_EDITOR_H
#define MGMT_LINE_EDITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_MAX_BYTES 1024u
#define LINE_HISTORY_BYTES 4096u

enum line_event {
    LINE_NOTHING,
    LINE_DONE,      /* Enter: the line stands in `text`, NUL-terminated; the display is on a fresh line */
    LINE_INTERRUPT, /* Ctrl-C */
    LINE_END,       /* Ctrl-D on an empty line */
    LINE_COMPLETE,  /* Tab */
};

struct line_editor {
    void (*write)(void *owner, const char *text, size_t length);
    void *owner;
    const char *prompt; /* plain text */

    char text[LINE_MAX_BYTES + 1]; /* well-formed UTF-8 without control characters */
    uint16_t length, cursor;       /* bytes */
    uint16_t width;                /* of the terminal, columns */

    /* What the terminal shows. */
    uint16_t window;       /* first byte of the text that is shown */
    uint16_t shown_length; /* of the text as it was shown last */
    bool redraw;           /* since then more happened than that text was added at the end */
    bool prompt_shown, text_shown;

    uint8_t partial[4]; /* of a UTF-8 character */
    uint8_t partial_length;
    uint8_t escape; /* state of an escape sequence */
    bool after_cr;
    uint8_t parameters;
    uint16_t parameter[4];

    char history[LINE_HISTORY_BYTES]; /* lines with their NUL, oldest first */
    uint16_t history_length;
    uint16_t history_at;            /* offset of the line that is shown; history_length: the new one */
    char saved[LINE_MAX_BYTES + 1]; /* the new line, while history is shown */
};

void line_editor_init(struct line_editor *editor, const char *prompt,
                      void (*write)(void *owner, const char *text, size_t length), void *owner);
/* Shows the prompt and an empty line. */
void line_editor_start(struct line_editor *editor);
enum line_event line_editor_input(struct line_editor *editor, uint8_t byte);
void line_editor_refresh(struct line_editor *editor);

/* Something else is to be printed: takes prompt and line off the display. line_editor_refresh() brings them back. */
void line_editor_hide(struct line_editor *editor);
/* Leaves what is displayed as it is and goes to a fresh line: the next refresh shows prompt and line again below. */
void line_editor_leave(struct line_editor *editor);
/* Completion: inserts text at the cursor. */
void line_editor_insert(struct line_editor *editor, const char *text, size_t length);
void line_editor_bell(struct line_editor *editor);

#endif
