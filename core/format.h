/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's printf. */
#ifndef CORE_FORMAT_H
#define CORE_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/* %s %c %d %u %x %p %%, with 0, -, width and l/ll/z. Writes at most size - 1 bytes and a NUL; returns how many. size >
 * 0. */
size_t format_text(char *buffer, size_t size, const char *format, va_list arguments);

size_t format_print(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
