/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What commands print. A command prints a message or two with output_print() and output_error(), and describes its
 * listings as sections: the session takes their rows one by one while its transport has room, so a listing of any
 * length needs no memory. The same rows make a table for people and JSON for programs.
 *
 * JSON: a section alone is the whole document; several make an object with a member each.
 */
#ifndef MGMT_OUTPUT_H
#define MGMT_OUTPUT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session;
struct output_row;

enum output_kind {
    OUTPUT_TABLE,   /* JSON: an array of objects */
    OUTPUT_RECORD,  /* one row, shown as "title: value" lines; JSON: an object */
    OUTPUT_TEXT,    /* lines as they are (one text cell); JSON: an array of strings */
    OUTPUT_METRICS, /* Prometheus's text format (row_metric()); JSON: an array of {name, labels, value} */
};

struct output_column {
    const char *key;   /* in JSON; NULL: not there */
    const char *title; /* for people; NULL: not there */
};

/* Where a section stands; the row function's to use, zero at first. */
struct output_cursor {
    uint64_t argument; /* as given to output_section() */
    uint64_t row;      /* counted by the session */
    uint64_t position[2];
};

enum output_step {
    OUTPUT_ROW,  /* the row was filled */
    OUTPUT_END,  /* there is none */
    OUTPUT_WAIT, /* none yet: output_wake() will come (only OUTPUT_TEXT, and not for JSON) */
};

struct output_section {
    const char *key;   /* in a JSON document of several sections */
    const char *title; /* heading for people, or NULL */
    const char *empty; /* said to people instead of a table without rows, or NULL */
    enum output_kind kind;
    const struct output_column *column; /* TABLE and RECORD; a cell each, in this order */
    unsigned columns;
    enum output_step (*row)(struct output_row *row, struct output_cursor *cursor);
};

#define OUTPUT_COLUMNS_MAX 24u
#define OUTPUT_SECTIONS_MAX 8u
#define OUTPUT_ROW_TEXT 768u /* bytes of text of a row; what is more is cut */

/* Cells of a row, in column order. Text is copied. */
void row_text(struct output_row *row, const char *text);
void row_bytes_text(struct output_row *row, const char *text, size_t length);
void row_format(struct output_row *row, const char *format, ...) __attribute__((format(printf, 2, 3)));
void row_number(struct output_row *row, uint64_t number);
void row_size(struct output_row *row, uint64_t bytes);  /* people: "512 MiB" */
void row_hex(struct output_row *row, uint64_t number);  /* JSON: a string */
void row_duration(struct output_row *row, uint64_t ns); /* JSON: seconds with a fraction */
void row_flag(struct output_row *row, bool flag);       /* people: yes, no */
void row_none(struct output_row *row);                  /* people: -, JSON: null */
void row_clear(struct output_row *row);                 /* as if nothing had been put in */
/* OUTPUT_METRICS: a row is one metric and its labels. Rows of one metric follow one another. */
void row_metric(struct output_row *row, const char *name, uint64_t value);
void row_label(struct output_row *row, const char *name, const char *value);
void row_label_number(struct output_row *row, const char *name, uint64_t value);

/* From a command's run(). A call may print up to 511 bytes, a command up to 4 KiB so. */
void output_print(struct session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));
void output_error(struct session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));
void output_section(struct session *session, const struct output_section *section, uint64_t argument);
bool output_json(const struct session *session);
/* A section that said OUTPUT_WAIT may go on, in whichever session. */
void output_wake(void);

/* The session's side. */

enum output_progress {
    OUTPUT_DONE,    /* everything is in the session's buffer */
    OUTPUT_MORE,    /* call again when there are OUTPUT_STEP_MAX bytes of room */
    OUTPUT_WAITING, /* call again after output_wake() */
};
#define OUTPUT_STEP_MAX 6144u

struct output {
    bool json;
    unsigned sections, current;
    struct {
        const struct output_section *section;
        struct output_cursor cursor;
    } part[OUTPUT_SECTIONS_MAX];
    bool opened; /* the current section's beginning was printed */
    uint16_t width[OUTPUT_COLUMNS_MAX];
    const char *metric; /* the last row's name */
};

void output_begin(struct session *session, bool json);
/* One step of at most OUTPUT_STEP_MAX bytes. */
enum output_progress output_produce(struct session *session);

/* Text made fit for a terminal: what is not printable becomes '?'. Returns the length, below `size`. */
size_t output_printable(char *to, size_t size, const char *text, size_t length);

#endif
