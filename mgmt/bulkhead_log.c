/* SPDX-License-Identifier: Apache-2.0 */
#include <lib/hypercall.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/output.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_SIZE 240

void bulkhead_log(const char *format, ...)
{
    char line[LINE_SIZE], clean[LINE_SIZE + 1];
    size_t length, at;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    length = output_printable(clean, LINE_SIZE, line, strlen(line));
    clean[length++] = '\n';
    for (at = 0; at < length; at += HYPERCALL_BYTES_MAX) {
        size_t part = length - at < HYPERCALL_BYTES_MAX ? length - at : HYPERCALL_BYTES_MAX;

        hypercall_log_write(clean + at, (uint32_t)part);
    }
}
