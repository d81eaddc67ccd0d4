/* SPDX-License-Identifier: Apache-2.0 */
#include <lib/utf8.h>
#include <mgmt/output.h>
#include <mgmt/session_internal.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_S 1000000000ull

enum cell_kind { CELL_NONE, CELL_TEXT, CELL_NUMBER, CELL_SIZE, CELL_HEX, CELL_DURATION, CELL_FLAG, CELL_LABEL };

struct cell {
    enum cell_kind kind;
    uint64_t number;
    const char *name;        /* CELL_LABEL; the metric's cell: its name */
    uint16_t offset, length; /* CELL_TEXT, CELL_LABEL: in text[] */
};

struct output_row {
    struct cell cell[OUTPUT_COLUMNS_MAX];
    unsigned cells;
    uint16_t used;
    char text[OUTPUT_ROW_TEXT];
};

/* Rows. */

static struct cell *add_cell(struct output_row *row, enum cell_kind kind, uint64_t number)
{
    static struct cell overflow;
    struct cell *cell = row->cells < OUTPUT_COLUMNS_MAX ? &row->cell[row->cells++] : &overflow;

    *cell = (struct cell){.kind = kind, .number = number};
    return cell;
}

static void set_text(struct output_row *row, struct cell *cell, const char *text, size_t length)
{
    size_t room = OUTPUT_ROW_TEXT - row->used;

    if (length > room)
        length = room;
    memcpy(row->text + row->used, text, length);
    cell->offset = row->used;
    cell->length = (uint16_t)length;
    row->used = (uint16_t)(row->used + length);
}

void row_bytes_text(struct output_row *row, const char *text, size_t length)
{
    set_text(row, add_cell(row, CELL_TEXT, 0), text, length);
}

void row_text(struct output_row *row, const char *text)
{
    row_bytes_text(row, text, strlen(text));
}

void row_format(struct output_row *row, const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    row_text(row, text);
}

void row_number(struct output_row *row, uint64_t number)
{
    add_cell(row, CELL_NUMBER, number);
}

void row_size(struct output_row *row, uint64_t bytes)
{
    add_cell(row, CELL_SIZE, bytes);
}

void row_hex(struct output_row *row, uint64_t number)
{
    add_cell(row, CELL_HEX, number);
}

void row_duration(struct output_row *row, uint64_t ns)
{
    add_cell(row, CELL_DURATION, ns);
}

void row_flag(struct output_row *row, bool flag)
{
    add_cell(row, CELL_FLAG, flag);
}

void row_none(struct output_row *row)
{
    add_cell(row, CELL_NONE, 0);
}

void row_clear(struct output_row *row)
{
    row->cells = 0;
    row->used = 0;
}

void row_metric(struct output_row *row, const char *name, uint64_t value)
{
    add_cell(row, CELL_NUMBER, value)->name = name;
}

void row_label(struct output_row *row, const char *name, const char *value)
{
    struct cell *cell = add_cell(row, CELL_LABEL, 0);

    cell->name = name;
    set_text(row, cell, value, strlen(value));
}

void row_label_number(struct output_row *row, const char *name, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    row_label(row, name, text);
}

/* Cells as text. */

static size_t size_text(char *to, size_t size, uint64_t bytes)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    uint64_t whole = bytes, tenths = 0;
    unsigned n = 0;

    while (whole >= 1024 && n < sizeof unit / sizeof unit[0] - 1) {
        tenths = whole % 1024 * 10 / 1024;
        whole /= 1024;
        n++;
    }
    if (tenths == 0)
        return (size_t)snprintf(to, size, "%llu %s", (unsigned long long)whole, unit[n]);
    return (size_t)snprintf(to, size, "%llu.%llu %s", (unsigned long long)whole, (unsigned long long)tenths, unit[n]);
}

static size_t duration_text(char *to, size_t size, uint64_t ns)
{
    unsigned long long s = ns / NS_PER_S;

    if (s < 60)
        return (size_t)snprintf(to, size, "%llu.%llu s", s, (unsigned long long)(ns % NS_PER_S / (NS_PER_S / 10)));
    if (s < 3600)
        return (size_t)snprintf(to, size, "%llu min %llu s", s / 60, s % 60);
    if (s < 86400)
        return (size_t)snprintf(to, size, "%llu h %llu min", s / 3600, s / 60 % 60);
    return (size_t)snprintf(to, size, "%llu d %llu h", s / 86400, s / 3600 % 24);
}

size_t output_printable(char *to, size_t size, const char *text, size_t length)
{
    size_t at = 0, out = 0;

    while (at < length) {
        unsigned n = utf8_length(text + at, length - at);
        uint32_t character = n > 0 ? utf8_decode(text + at) : 0;

        if (out + (n > 0 ? n : 1) >= size)
            break;
        if (character < 0x20 || (character >= 0x7f && character <= 0x9f)) {
            to[out++] = '?';
            at += n > 0 ? n : 1;
        } else {
            memcpy(to + out, text + at, n);
            out += n;
            at += n;
        }
    }
    to[out] = 0;
    return out;
}

static size_t cell_text(char *to, size_t size, const struct output_row *row, const struct cell *cell)
{
    switch (cell->kind) {
    case CELL_TEXT:
    case CELL_LABEL:
        return output_printable(to, size, row->text + cell->offset, cell->length);
    case CELL_NUMBER:
        return (size_t)snprintf(to, size, "%llu", (unsigned long long)cell->number);
    case CELL_SIZE:
        return size_text(to, size, cell->number);
    case CELL_HEX:
        return (size_t)snprintf(to, size, "0x%llx", (unsigned long long)cell->number);
    case CELL_DURATION:
        return duration_text(to, size, cell->number);
    case CELL_FLAG:
        return (size_t)snprintf(to, size, cell->number ? "yes" : "no");
    default:
        return (size_t)snprintf(to, size, "-");
    }
}

/* Printing. */

static void put(struct session *session, const char *text)
{
    session_write(session, SESSION_OUT, text, strlen(text));
}

static void put_blanks(struct session *session, unsigned count)
{
    static const char blanks[] = "                                ";

    for (; count > 0; count -= count < sizeof blanks - 1 ? count : sizeof blanks - 1)
        session_write(session, SESSION_OUT, blanks, count < sizeof blanks - 1 ? count : sizeof blanks - 1);
}

/* A JSON string (RFC 8259, section 7); bytes that are not UTF-8 become U+FFFD. Also right for a Prometheus label. */
static void put_string(struct session *session, const char *text, size_t length)
{
    size_t at = 0;
    char escape[8];

    put(session, "\"");
    while (at < length) {
        unsigned n = utf8_length(text + at, length - at);
        uint8_t byte = (uint8_t)text[at];

        if (n == 0) {
            put(session, "\xef\xbf\xbd");
            n = 1;
        } else if (byte == '"' || byte == '\\') {
            snprintf(escape, sizeof escape, "\\%c", byte);
            put(session, escape);
        } else if (byte == '\n') {
            put(session, "\\n");
        } else if (byte < 0x20 || byte == 0x7f) {
            snprintf(escape, sizeof escape, "\\u%04x", byte);
            put(session, escape);
        } else {
            session_write(session, SESSION_OUT, text + at, n);
        }
        at += n;
    }
    put(session, "\"");
}

static void put_json_cell(struct session *session, const struct output_row *row, const struct cell *cell)
{
    char text[32];

    switch (cell->kind) {
    case CELL_TEXT:
    case CELL_LABEL:
        put_string(session, row->text + cell->offset, cell->length);
        return;
    case CELL_HEX:
        snprintf(text, sizeof text, "\"0x%llx\"", (unsigned long long)cell->number);
        break;
    case CELL_DURATION:
        snprintf(text, sizeof text, "%llu.%03llu", (unsigned long long)(cell->number / NS_PER_S),
                 (unsigned long long)(cell->number % NS_PER_S / (NS_PER_S / 1000)));
        break;
    case CELL_FLAG:
        snprintf(text, sizeof text, cell->number ? "true" : "false");
        break;
    case CELL_NONE:
        snprintf(text, sizeof text, "null");
        break;
    default:
        snprintf(text, sizeof text, "%llu", (unsigned long long)cell->number);
        break;
    }
    put(session, text);
}

static bool is_number(const struct cell *cell)
{
    return cell->kind == CELL_NUMBER || cell->kind == CELL_SIZE || cell->kind == CELL_DURATION;
}

static void put_table_row(struct session *session, const struct output_section *section, const struct output_row *row)
{
    char text[OUTPUT_ROW_TEXT + 1];
    unsigned n, last = 0, pending = 0;

    for (n = 0; n < section->columns; n++)
        last = section->column[n].title != NULL ? n : last;
    for (n = 0; n < row->cells && n <= last; n++) {
        size_t length;
        unsigned columns, blanks;

        if (section->column[n].title == NULL)
            continue;
        length = cell_text(text, sizeof text, row, &row->cell[n]);
        columns = utf8_text_columns(text, length);
        blanks = columns < session->output.width[n] ? session->output.width[n] - columns : 0;
        put_blanks(session, pending + (is_number(&row->cell[n]) ? blanks : 0));
        put(session, text);
        pending = 2 + (is_number(&row->cell[n]) ? 0 : blanks);
    }
    put(session, "\n");
}

static void put_record(struct session *session, const struct output_section *section, const struct output_row *row)
{
    char text[OUTPUT_ROW_TEXT + 1];
    unsigned n, widest = 0;

    for (n = 0; n < section->columns; n++) {
        if (section->column[n].title != NULL && strlen(section->column[n].title) > widest)
            widest = (unsigned)strlen(section->column[n].title);
    }
    for (n = 0; n < row->cells && n < section->columns; n++) {
        if (section->column[n].title == NULL || row->cell[n].kind == CELL_NONE)
            continue;
        put(session, section->column[n].title);
        put(session, ":");
        put_blanks(session, widest + 1 - (unsigned)strlen(section->column[n].title));
        cell_text(text, sizeof text, row, &row->cell[n]);
        put(session, text);
        put(session, "\n");
    }
}

static void put_json_object(struct session *session, const struct output_section *section, const struct output_row *row)
{
    bool first = true;
    unsigned n;

    put(session, "{");
    for (n = 0; n < row->cells && n < section->columns; n++) {
        if (section->column[n].key == NULL)
            continue;
        put(session, first ? "\"" : ", \"");
        put(session, section->column[n].key);
        put(session, "\": ");
        put_json_cell(session, row, &row->cell[n]);
        first = false;
    }
    put(session, "}");
}

/* Cell 0 is the metric, the others its labels. */
static void put_metric(struct session *session, const struct output_row *row)
{
    const char *name = row->cell[0].name;
    char text[24];
    unsigned n;

    if (session->output.metric != name) {
        size_t length = strlen(name);

        put(session, "# TYPE ");
        put(session, name);
        put(session, length > 6 && strcmp(name + length - 6, "_total") == 0 ? " counter\n" : " gauge\n");
        session->output.metric = name;
    }
    put(session, name);
    for (n = 1; n < row->cells; n++) {
        put(session, n == 1 ? "{" : ",");
        put(session, row->cell[n].name);
        put(session, "=");
        put_string(session, row->text + row->cell[n].offset, row->cell[n].length);
    }
    snprintf(text, sizeof text, "%s %llu\n", n > 1 ? "}" : "", (unsigned long long)row->cell[0].number);
    put(session, text);
}

static void put_json_metric(struct session *session, const struct output_row *row)
{
    char text[40];
    unsigned n;

    put(session, "{\"name\": \"");
    put(session, row->cell[0].name);
    put(session, "\", \"labels\": {");
    for (n = 1; n < row->cells; n++) {
        put(session, n == 1 ? "\"" : ", \"");
        put(session, row->cell[n].name);
        put(session, "\": ");
        put_json_cell(session, row, &row->cell[n]);
    }
    snprintf(text, sizeof text, "}, \"value\": %llu}", (unsigned long long)row->cell[0].number);
    put(session, text);
}

static void put_text_line(struct session *session, const struct output_row *row)
{
    char text[OUTPUT_ROW_TEXT + 1];

    cell_text(text, sizeof text, row, &row->cell[0]);
    put(session, text);
    put(session, "\n");
}

/* Sections. */

static enum output_step take_row(const struct output_section *section, struct output_cursor *cursor,
                                 struct output_row *row)
{
    enum output_step step;

    row_clear(row);
    step = section->row(row, cursor);
    if (step == OUTPUT_ROW)
        cursor->row++;
    return step;
}

/* Column widths from the rows as they are now; ones that come later or change may stand out. False: no rows. */
static bool measure(struct session *session, const struct output_section *section, uint64_t argument)
{
    struct output_cursor cursor = {.argument = argument};
    struct output_row row;
    char text[OUTPUT_ROW_TEXT + 1];
    unsigned n;

    for (n = 0; n < section->columns; n++)
        session->output.width[n] = section->column[n].title != NULL ? (uint16_t)strlen(section->column[n].title) : 0;
    while (cursor.row < 4096 && take_row(section, &cursor, &row) == OUTPUT_ROW) {
        for (n = 0; n < row.cells && n < section->columns; n++) {
            size_t length = cell_text(text, sizeof text, &row, &row.cell[n]);
            unsigned columns = utf8_text_columns(text, length);

            if (columns > session->output.width[n])
                session->output.width[n] = (uint16_t)columns;
        }
    }
    return cursor.row > 0;
}

/* Titles stand over their column as its cells do; so the first row says which are numbers. */
static void put_titles(struct session *session, const struct output_section *section, uint64_t argument)
{
    struct output_cursor cursor = {.argument = argument};
    struct output_row row;
    unsigned n, pending = 0;

    if (take_row(section, &cursor, &row) != OUTPUT_ROW)
        return;
    for (n = 0; n < section->columns && n < row.cells; n++) {
        const char *title = section->column[n].title;
        unsigned blanks;

        if (title == NULL)
            continue;
        blanks = session->output.width[n] - (unsigned)strlen(title);
        put_blanks(session, pending + (is_number(&row.cell[n]) ? blanks : 0));
        put(session, title);
        pending = 2 + (is_number(&row.cell[n]) ? 0 : blanks);
    }
    put(session, "\n");
}

static void open_json(struct session *session, const struct output_section *section)
{
    struct output *output = &session->output;

    if (output->sections > 1) {
        put(session, output->current == 0 ? "{\n\"" : ",\n\"");
        put(session, section->key);
        put(session, "\": ");
    }
    if (section->kind != OUTPUT_RECORD)
        put(session, "[");
}

static void open_text(struct session *session, const struct output_section *section, uint64_t argument)
{
    if (session->output.current > 0)
        put(session, "\n");
    if (section->title != NULL) {
        put(session, section->title);
        put(session, "\n");
    }
    session->output.metric = NULL;
    if (section->kind != OUTPUT_TABLE)
        return;
    if (measure(session, section, argument)) {
        put_titles(session, section, argument);
    } else if (section->empty != NULL) {
        put(session, section->empty);
        put(session, "\n");
    }
}

static void close_json(struct session *session, const struct output_section *section, uint64_t rows)
{
    struct output *output = &session->output;

    if (section->kind == OUTPUT_RECORD && rows == 0)
        put(session, "null");
    if (section->kind != OUTPUT_RECORD)
        put(session, rows > 0 ? "\n]" : "]");
    if (output->current + 1 == output->sections)
        put(session, output->sections > 1 ? "\n}\n" : "\n");
}

static void put_json_row(struct session *session, const struct output_section *section, const struct output_row *row,
                         bool first)
{
    if (section->kind != OUTPUT_RECORD)
        put(session, first ? "\n" : ",\n");
    switch (section->kind) {
    case OUTPUT_TEXT:
        put_json_cell(session, row, &row->cell[0]);
        break;
    case OUTPUT_METRICS:
        put_json_metric(session, row);
        break;
    default:
        put_json_object(session, section, row);
        break;
    }
}

static void put_text_row(struct session *session, const struct output_section *section, const struct output_row *row)
{
    switch (section->kind) {
    case OUTPUT_TABLE:
        put_table_row(session, section, row);
        break;
    case OUTPUT_RECORD:
        put_record(session, section, row);
        break;
    case OUTPUT_TEXT:
        put_text_line(session, row);
        break;
    case OUTPUT_METRICS:
        put_metric(session, row);
        break;
    }
}

enum output_progress output_produce(struct session *session)
{
    struct output *output = &session->output;
    const struct output_section *section;
    struct output_cursor *cursor;
    struct output_row row;
    enum output_step step;

    if (output->current == output->sections)
        return OUTPUT_DONE;
    section = output->part[output->current].section;
    cursor = &output->part[output->current].cursor;
    if (!output->opened) {
        output->opened = true;
        if (output->json)
            open_json(session, section);
        else
            open_text(session, section, cursor->argument);
        return OUTPUT_MORE;
    }
    step = section->kind == OUTPUT_RECORD && cursor->row > 0 ? OUTPUT_END : take_row(section, cursor, &row);
    if (step == OUTPUT_WAIT && !output->json)
        return OUTPUT_WAITING;
    if (step == OUTPUT_ROW) {
        if (output->json)
            put_json_row(session, section, &row, cursor->row == 1);
        else
            put_text_row(session, section, &row);
        return OUTPUT_MORE;
    }
    if (output->json)
        close_json(session, section, cursor->row);
    output->current++;
    output->opened = false;
    return output->current == output->sections ? OUTPUT_DONE : OUTPUT_MORE;
}

/* The command's side. */

void output_begin(struct session *session, bool json)
{
    memset(&session->output, 0, sizeof session->output);
    session->output.json = json;
}

bool output_json(const struct session *session)
{
    return session->output.json;
}

void output_section(struct session *session, const struct output_section *section, uint64_t argument)
{
    struct output *output = &session->output;

    if (output->sections < OUTPUT_SECTIONS_MAX) {
        output->part[output->sections].section = section;
        output->part[output->sections].cursor.argument = argument;
        output->sections++;
    }
}

static void print(struct session *session, enum session_stream stream, const char *format, va_list arguments)
{
    char text[512], clean[512];
    int length = vsnprintf(text, sizeof text, format, arguments);
    const char *line = text;

    if (length < 0)
        return;
    /* Names from a guest or from the network may stand in it. */
    for (;;) {
        size_t part = strcspn(line, "\n");

        session_write(session, stream, clean, output_printable(clean, sizeof clean, line, part));
        session_write(session, stream, "\n", 1);
        if (line[part] == 0)
            break;
        line += part + 1;
    }
}

void output_print(struct session *session, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print(session, SESSION_OUT, format, arguments);
    va_end(arguments);
}

void output_error(struct session *session, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print(session, SESSION_ERROR, format, arguments);
    va_end(arguments);
}

void output_wake(void)
{
    struct session *session = NULL;

    while ((session = session_next(session)) != NULL)
        session_wake(session);
}
