// SPDX-License-Identifier: Apache-2.0
#include <core/format.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct output {
    char *buffer;
    size_t size, length;
};

struct directive {
    unsigned width;
    bool left, zero, wide;
};

static void put(struct output *output, char c)
{
    if (output->length + 1 < output->size)
        output->buffer[output->length++] = c;
}

static void put_padded(struct output *output, const char *text, size_t length, struct directive directive)
{
    size_t padding = directive.width > length ? directive.width - length : 0;

    for (size_t i = 0; !directive.left && i < padding; i++)
        put(output, directive.zero ? '0' : ' ');
    for (size_t i = 0; i < length; i++)
        put(output, text[i]);
    for (size_t i = 0; directive.left && i < padding; i++)
        put(output, ' ');
}

static void put_number(struct output *output, uint64_t value, unsigned base, bool negative, struct directive directive)
{
    char digits[24];
    size_t at = sizeof(digits);

    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    if (negative)
        digits[--at] = '-';
    put_padded(output, digits + at, sizeof(digits) - at, directive);
}

/* Reads flags, width and length modifiers; returns the conversion's character. */
static const char *parse(const char *format, struct directive *directive)
{
    *directive = (struct directive){0};
    for (;; format++) {
        if (*format == '-')
            directive->left = true;
        else if (*format == '0')
            directive->zero = true;
        else
            break;
    }
    while (*format >= '0' && *format <= '9')
        directive->width = directive->width * 10 + (unsigned)(*format++ - '0');
    while (*format == 'l' || *format == 'z') {
        directive->wide = true;
        format++;
    }
    return format;
}

size_t format_text(char *buffer, size_t size, const char *format, va_list arguments)
{
    struct output output = {buffer, size, 0};
    struct directive directive;

    for (; *format; format++) {
        if (*format != '%') {
            put(&output, *format);
            continue;
        }
        format = parse(format + 1, &directive);
        switch (*format) {
        case 's': {
            const char *text = va_arg(arguments, const char *);

            put_padded(&output, text, strlen(text), directive);
            break;
        }
        case 'd': {
            int64_t value = directive.wide ? va_arg(arguments, int64_t) : va_arg(arguments, int);

            put_number(&output, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, value < 0, directive);
            break;
        }
        case 'u':
        case 'x': {
            uint64_t value = directive.wide ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);

            put_number(&output, value, *format == 'u' ? 10 : 16, false, directive);
            break;
        }
        case '\0':
            format--;
            break;
        default:
            put(&output, *format);
        }
    }
    buffer[output.length] = '\0';
    return output.length;
}

size_t format_print(char *buffer, size_t size, const char *format, ...)
{
    va_list arguments;
    size_t length;

    va_start(arguments, format);
    length = format_text(buffer, size, format, arguments);
    va_end(arguments);
    return length;
}
