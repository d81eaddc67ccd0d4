/* SPDX-License-Identifier: Apache-2.0 */
#include <lib/hypercall.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/loop.h>
#include <mgmt/output.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_SIZE 240

void bulkhead_log(const char *format, ...)
{
    char line[LINE_SIZE], clean[LINE_SIZE + 1];
    uint64_t us = time_ns() / 1000;
    size_t length, at;
    va_list arguments;

    /* As the kernel's lines begin, on the same clock. */
    snprintf(line, sizeof line, "[%5llu.%06llu] ", (unsigned long long)(us / 1000000),
             (unsigned long long)(us % 1000000));
    length = strlen(line);
    va_start(arguments, format);
    vsnprintf(line + length, sizeof line - length, format, arguments);
    va_end(arguments);
    length = output_printable(clean, LINE_SIZE, line, strlen(line));
    clean[length++] = '\n';
    for (at = 0; at < length; at += HYPERCALL_BYTES_MAX) {
        size_t part = length - at < HYPERCALL_BYTES_MAX ? length - at : HYPERCALL_BYTES_MAX;

        hypercall_log_write(clean + at, (uint32_t)part);
    }
}
